"""Metrics of several processes as one: what each counted, added up."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

_LASTING = {"counter", "histogram", "summary"}
_CREATED = "_created"
"""How the series end that say since when something is counted."""


def summed(texts: Iterable[str]) -> bytes:
    """The sum of metrics in the Prometheus text format, in the same format."""
    return _sum(texts, lasting=False)


def lasting(texts: Iterable[str]) -> bytes:
    """What of a sum stays true of processes that have ended: counts do, what is there at the moment does not."""
    return _sum(texts, lasting=True)


@dataclass(slots=True)
class _Family:
    documentation: str
    type: str
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Families(Collector):
    families: dict[str, _Family]

    def collect(self) -> Iterator[Metric]:
        for name, family in self.families.items():
            metric = Metric(name, family.documentation, family.type)
            for (sample, labels), value in family.samples.items():
                metric.add_sample(sample, dict(labels), value)
            yield metric


def _sum(texts: Iterable[str], *, lasting: bool) -> bytes:
    families: dict[str, _Family] = {}
    for text in texts:
        for metric in text_string_to_metric_families(text):
            if lasting and metric.type not in _LASTING and not metric.name.endswith(_CREATED):
                continue
            family = families.setdefault(metric.name, _Family(metric.documentation, metric.type))
            for sample in metric.samples:
                key = sample.name, tuple(sorted(sample.labels.items()))
                known = family.samples.get(key)
                if known is None:
                    family.samples[key] = sample.value
                elif metric.name.endswith(_CREATED):
                    family.samples[key] = min(known, sample.value)
                else:
                    family.samples[key] = known + sample.value
    return generate_latest(_Families(families))
