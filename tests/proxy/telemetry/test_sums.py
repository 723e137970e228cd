"""Metrics of several processes, added up."""

from functools import partial

from prometheus_client import Gauge
from prometheus_client.parser import text_string_to_metric_families

from proxy.telemetry.metrics import Metrics
from proxy.telemetry.sums import lasting, summed


def text(metrics: Metrics) -> str:
    return metrics.text().decode()


def busy(requests: int, status: int = 200) -> Metrics:
    """The metrics of a process that has answered, and is at one more."""
    metrics = Metrics()
    for _ in range(requests):
        metrics.began()
        metrics.ended("GET", "/v2/", status, 0.002)
    metrics.began()
    return metrics


def values(body: bytes | str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample but when it began."""
    body = body if isinstance(body, str) else body.decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_the_sum_of_one_is_itself() -> None:
    metrics = text(busy(3))
    assert values(summed([metrics])) == values(metrics)


def test_counters_histograms_and_gauges_are_added_series_by_series() -> None:
    total = summed([text(busy(3)), text(busy(4)), text(busy(5, 404))]).decode()
    assert 'imagegate_requests_total{method="GET",route="/v2/",status="200"} 7.0' in total
    assert 'imagegate_requests_total{method="GET",route="/v2/",status="404"} 5.0' in total
    assert 'imagegate_request_seconds_bucket{le="0.003",route="/v2/"} 12.0' in total
    assert 'imagegate_request_seconds_count{route="/v2/"} 12.0' in total
    assert "imagegate_requests_running 3.0" in total
    assert total.count("# TYPE imagegate_requests_total counter") == 1


def test_a_gauge_that_asks_when_it_is_read_counts_too() -> None:
    first, second = Metrics(), Metrics()
    for metrics, number in ((first, 3), (second, 4)):
        Gauge("waiting", "Things.", registry=metrics.registry).set_function(partial(float, number))
    assert "waiting 7.0" in summed([text(first), text(second)]).decode()


def test_of_what_has_ended_counts_stay_and_states_go() -> None:
    kept = lasting([text(busy(3)), text(busy(4))])
    assert b"imagegate_requests_running" not in kept
    assert values(summed([kept.decode(), text(busy(1))])) == values(summed([text(busy(8))]))


def test_counting_began_when_the_first_process_began() -> None:
    first, second = text(busy(1)), text(busy(1))
    began = [line for line in first.splitlines() if line.startswith("imagegate_request_seconds_created")]
    assert began
    assert set(began) <= set(summed([second, first]).decode().splitlines())
