"""``python -m lstm_bench``, for where the command is not on the path."""

from lstm_bench.cli import main

if __name__ == "__main__":
    main(prog_name="lstm-bench")
