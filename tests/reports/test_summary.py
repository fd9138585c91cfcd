"""All of a report: a section for each task."""

from builders import a_configuration, a_failure, a_judgement, an_attempt, some_findings
from lstm_bench.reports.summary import summarise


def test_each_task_is_a_section_of_its_own_with_its_own_metric():
    accuracy = a_judgement(
        metric="accuracy", unit="", better="higher", metrics={"accuracy": 0.5}, baselines={"chance": {"accuracy": 0.1}}
    )
    copy = an_attempt(2, configuration=a_configuration(task="copy"), findings=some_findings(judgement=accuracy))
    sections = summarise([an_attempt(1), copy, a_failure(3, configuration=a_configuration(task="new"))]).sections
    assert [(section.title, section.subtitle, section.columns[4].title) for section in sections] == [
        ("flights:tutorial", "rmse in passengers, lower is better", "rmse"),
        ("copy:tutorial", "accuracy, higher is better", "accuracy"),
        ("new:tutorial", "", "metric"),
    ]
    assert [len(section.rows) for section in sections] == [3, 2, 1]


def test_a_task_has_one_section_in_whatever_order_the_attempts_come():
    configurations = [a_configuration(), a_configuration(task="copy"), a_configuration(seed=1)]
    summary = summarise(
        [an_attempt(number, configuration=configuration) for number, configuration in enumerate(configurations)]
    )
    assert [section.title for section in summary.sections] == ["flights:tutorial", "copy:tutorial"]
