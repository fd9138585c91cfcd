"""The table of a task: a column for what varies, a row for all seeds, baselines and published times."""

import pytest

from builders import (
    a_configuration,
    a_failure,
    a_judgement,
    a_model,
    a_recipe,
    a_timing,
    a_training,
    an_attempt,
    some_findings,
)
from formats import numpy_configuration
from lstm_bench.record.attempt import Memory, Training
from lstm_bench.record.published import Published
from lstm_bench.reports.summary import summarise


def words(text):
    return text.replace("\u00a0", " ").split()


def titles_and_rows(attempts):
    """Each row of the only section, as a dict by column title."""
    (section,) = summarise(attempts).sections
    return [
        {column.title: " ".join(text.split()) for column, text in zip(section.columns, row.texts, strict=True)}
        for row in section.rows
    ]


def with_value(number, value, **configuration):
    return an_attempt(
        number,
        configuration=a_configuration(**{"seed": number} | configuration),
        findings=some_findings(judgement=a_judgement(value)),
    )


def test_the_summary_of_an_attempt_says_what_it_did():
    (section,) = summarise([an_attempt()]).sections
    texts = {column.title: text for column, text in zip(section.columns, section.rows[0].texts, strict=True)}
    assert section.title == "flights:tutorial"
    assert section.subtitle == "rmse in passengers, lower is better"
    assert {title: " ".join(words(text)) for title, text in texts.items()} == {
        "backend": "torch 2.9.1",
        "device": "cpu",
        "precision": "float32",
        "params": "40,901 (41,301)",
        "rmse": "50.25",
        "train seq/s": "28,300",
        "infer seq/s": "160,000",
        "first step": "250 ms",
        "memory": "3 MiB",
        "status": "ok",
    }


def test_baselines_follow_the_attempts_and_are_marked_as_what_they_are():
    (section,) = summarise([an_attempt(1), an_attempt(2, configuration=numpy_configuration())]).sections
    assert [(row.texts[0].split()[0], row.baseline) for row in section.rows] == [
        ("torch", False),
        ("numpy", False),
        ("baseline:", True),
        ("baseline:", True),
    ]


def test_parameters_are_shown_once_where_the_framework_counts_the_same():
    for native in (None, 40_901):
        summary = summarise([an_attempt(findings=some_findings(native_parameter_count=native))])
        assert summary.sections[0].rows[0].texts[3] == "40,901"


@pytest.mark.parametrize(
    ("configurations", "marks", "notes"),
    [
        ([a_configuration()], ["50.25"], []),
        ([a_configuration(epochs=30)], ["50.25*"], ["* trained 30 of 300 epochs"]),
        (
            [
                a_configuration(),
                a_configuration(epochs=1),
                a_configuration(epochs=600),
                a_configuration(epochs=1, seed=1),
            ],
            ["50.25", "50.25*", "50.25*"],
            ["* trained 1 of 300 epochs", "* trained 600 of 300 epochs"],
        ),
    ],
    ids=["in full", "shortened", "some"],
)
def test_a_model_that_was_not_trained_as_the_recipe_says_is_marked(configurations, marks, notes):
    summary = summarise(
        [an_attempt(number, configuration=configuration) for number, configuration in enumerate(configurations)]
    )
    section = summary.sections[0]
    at = [column.title for column in section.columns].index("rmse")
    assert [row.texts[at] for row in section.rows if not row.baseline] == marks
    assert [text for text in section.subtitle.split("; ") if "epochs" in text] == notes


def test_memory_is_that_of_the_device_where_it_has_its_own():
    memory = Memory(after_import=2**28, peak=2**30, device_peak=5 * 2**20)
    on_gpu = an_attempt(configuration=numpy_configuration(device="cuda:0"), findings=some_findings(memory=memory))
    summary = summarise([on_gpu])
    assert summary.sections[0].rows[0].texts[-2] == "5\u00a0MiB"
    assert "on a GPU, the peak of the framework's allocator" in "\n".join(summary.lines)
    assert "on a GPU" not in "\n".join(summarise([an_attempt()]).notes)


def test_a_number_that_nobody_knows_is_an_empty_entry():
    unknown = some_findings(
        judgement=a_judgement(None),
        timings={},
        memory=Memory(after_import=1, peak=None, device_peak=None),
        seconds={},
        native_parameter_count=None,
    )
    row = summarise([an_attempt(findings=unknown)]).sections[0].rows[0]
    assert row.texts == ("torch 2.9.1", "cpu", "float32", "40,901", "", "", "", "", "", "ok")


def test_attempts_that_differ_in_their_seed_alone_are_one_row_with_median_and_range():
    (row, *_) = titles_and_rows([with_value(n, value) for n, value in enumerate([30.0, 90.0, 50.0])])
    assert (row["seeds"], row["rmse"], row["status"]) == ("3", "50.00 (30.00 .. 90.00)", "ok")


def test_one_seed_has_no_range_and_no_column():
    (row, *_) = titles_and_rows([with_value(0, 30.0)])
    assert row["rmse"] == "30.00"
    assert "seeds" not in row


def test_a_seed_that_failed_is_counted_and_its_reason_told():
    summary = summarise([with_value(0, 30.0), with_value(1, 50.0), a_failure(2, configuration=a_configuration(seed=2))])
    assert [row.texts[-1] for row in summary.sections[0].rows if not row.baseline] == ["ok", "crashed"]
    summary = summarise(
        [with_value(0, 30.0), an_attempt(1, configuration=a_configuration(seed=1), status="diverged", reason="nan")]
    )
    assert summary.sections[0].rows[0].texts[-1] == "1 ok, 1 diverged"
    assert any(note.endswith("diverged: nan") and "seed 1" in note for note in summary.lines)


def test_the_same_seed_twice_is_two_rows():
    rows = titles_and_rows([with_value(0, 30.0), an_attempt(1, configuration=a_configuration(seed=0))])
    assert [row["rmse"] for row in rows[:2]] == ["30.00", "50.25"]


def test_what_varies_has_a_column_and_what_does_not_has_none():
    recipe = a_recipe()
    gru = a_recipe(model=a_model(cell="gru"))
    rows = titles_and_rows(
        [
            with_value(0, 1.0, recipe=recipe, task_options={"delay": "10"}),
            with_value(0, 2.0, recipe=gru, task_options={"delay": "10"}, changes={"cell": "gru"}),
            with_value(0, 3.0, recipe=gru, task_options={"delay": "20"}, changes={"cell": "gru"}),
        ]
    )
    assert [(row["cell"], row["delay"]) for row in rows[:3]] == [("lstm", "10"), ("gru", "10"), ("gru", "20")]
    assert "hidden" not in rows[0]
    assert {row["delay"] for row in rows[3:]} == {"10", "20"}  # the baselines of each


def test_what_was_changed_everywhere_stands_under_the_title():
    (section,) = summarise([with_value(0, 1.0, changes={"hidden": "100"})]).sections
    assert section.subtitle == "hidden 100; rmse in passengers, lower is better"


def a_training_run(**changes):
    return Training(**{"steps": 400, "seconds": 2.5, "first_losses": (), "epoch_losses": (1.0,)} | changes)


@pytest.mark.parametrize(
    ("stopped", "shown"), [(["target"], "400"), ([""], "not in 400"), (["target", "", "target"], "2 of 3 in 400")]
)
def test_a_target_shows_after_how_many_steps_and_seconds_it_was_reached(stopped, shown):
    recipe = a_recipe(evaluate_every=100, target=0.99)
    attempts = [
        an_attempt(
            n,
            configuration=a_configuration(recipe=recipe, seed=n),
            findings=some_findings(training=a_training_run(stopped=how)),
        )
        for n, how in enumerate(stopped)
    ]
    (row, *_) = titles_and_rows(attempts)
    assert (row["steps to 0.99"], row["training"]) == (shown, "2.5 s")


def test_patience_shows_how_long_training_went_on():
    recipe = a_recipe(validation=0.1, patience=3)
    attempt = an_attempt(
        configuration=a_configuration(recipe=recipe), findings=some_findings(training=a_training_run())
    )
    assert titles_and_rows([attempt])[0]["steps"] == "400"


def a_speed_attempt():
    recipe = a_recipe("tiny", epochs=0, scopes=("infer", "gradient"))
    published = (
        Published(name="cuDNN", hardware="GTX 1080", scope="infer", seconds=0.002, source="arXiv 1"),
        Published(name="cuDNN", hardware="GTX 1080", scope="gradient", seconds=0.005, source="arXiv 1"),
    )
    timings = {"infer": a_timing("infer"), "gradient": a_timing("gradient", block_ns=(3_000_000,))}
    findings = some_findings(judgement=None, training=None, timings=timings, published=published)
    return an_attempt(configuration=a_configuration(task="speed", recipe=recipe, epochs=0), findings=findings)


def test_a_task_about_speed_shows_times_for_a_batch_and_what_others_published():
    ours, theirs = titles_and_rows([a_speed_attempt()])
    assert list(ours) == [
        "backend",
        "device",
        "precision",
        "params",
        "gradient",
        "infer",
        "first step",
        "memory",
        "status",
    ]
    assert (ours["gradient"], ours["infer"]) == ("300 µs", "141 µs")
    assert theirs["backend"] == "published: cuDNN"
    assert (theirs["device"], theirs["gradient"], theirs["infer"]) == ("GTX 1080", "5 ms", "2 ms")


def test_scopes_are_explained_and_published_times_have_their_source():
    notes = summarise([a_speed_attempt()]).lines
    assert "gradient times forward, loss and backward, without an update" in notes
    assert "infer times forward in evaluation mode" in notes
    assert "published: measured by others on other hardware: arXiv 1" in notes
    assert any(note.startswith("times: of one batch") for note in notes)


def test_throughput_of_very_slow_steps_is_not_lost():
    slow = a_timing("train", batch_size=1, steps_per_block=1, block_ns=(20_000_000_000,))
    configuration = a_configuration(recipe=a_recipe(train=a_training(batch_size=1)))
    row = (
        summarise([an_attempt(configuration=configuration, findings=some_findings(timings={"train": slow}))])
        .sections[0]
        .rows[0]
    )
    assert row.texts[5] == "0.0500"
