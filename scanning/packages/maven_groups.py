"""The groups of widely used Java archives that do not say theirs: Gradle and Ant leave no pom.properties in them.

Advisories know a package by group and artifact, so without its group no advisory is found for it. A name is taken for
what it is only if the archive has the folder that the project's classes are in.
"""

import re
from collections.abc import Collection
from typing import NamedTuple


class _Known(NamedTuple):
    artifact: re.Pattern[str]
    group: str
    folder: str
    version: re.Pattern[str] = re.compile("")


def _known(artifact: str, group: str, folder: str, version: str = "") -> _Known:
    return _Known(re.compile(artifact), group, folder, re.compile(version))


_SPRING = (
    r"spring-(?:aop|aspects|beans|context(?:-indexer|-support)?|core(?:-test)?|expression|instrument|jcl|jdbc|jms"
    r"|messaging|orm|oxm|r2dbc|test|tx|web|webflux|webmvc|websocket)"
)
_KNOWN = (
    _known(_SPRING, "org.springframework", "org/springframework/"),
    _known(r"spring-boot(?:-[a-z0-9-]+)?", "org.springframework.boot", "org/springframework/boot/"),
    _known(r"spring-security-[a-z0-9-]+", "org.springframework.security", "org/springframework/security/"),
    _known(r"spring-batch-[a-z]+", "org.springframework.batch", "org/springframework/batch/"),
    _known(r"tomcat-embed-(?:core|el|jasper|websocket)", "org.apache.tomcat.embed", "org/apache/"),
    _known(r"kafka-(?:clients|streams)", "org.apache.kafka", "org/apache/kafka/"),
    _known(r"lucene-[a-z-]+", "org.apache.lucene", "org/apache/lucene/"),
    _known(r"elasticsearch(?:-core|-x-content)?", "org.elasticsearch", "org/elasticsearch/"),
    _known(r"elasticsearch-rest-(?:high-level-)?client", "org.elasticsearch.client", "org/elasticsearch/client/"),
    _known(r"reactor-core", "io.projectreactor", "reactor/core/"),
    _known(r"reactor-netty(?:-core|-http)?", "io.projectreactor.netty", "reactor/netty/"),
    _known(r"micrometer-[a-z-]+", "io.micrometer", "io/micrometer/"),
    _known(r"grpc-[a-z-]+", "io.grpc", "io/grpc/"),
    _known(r"okhttp", "com.squareup.okhttp3", "okhttp3/"),
    _known(r"okio(?:-jvm)?", "com.squareup.okio", "okio/"),
    _known(r"kotlin-stdlib(?:-jdk[78]|-common)?", "org.jetbrains.kotlin", "kotlin/"),
    _known(r"scala-(?:library|compiler|reflect)", "org.scala-lang", "scala/"),
    _known(r"groovy(?:-[a-z0-9]+)*", "org.codehaus.groovy", "org/codehaus/groovy/", r"[0-3]\."),
    _known(r"groovy(?:-[a-z0-9]+)*", "org.apache.groovy", "org/codehaus/groovy/", r"[4-9]\."),
    _known(r"graphql-java", "com.graphql-java", "graphql/"),
    _known(r"h2", "com.h2database", "org/h2/"),
    _known(r"mysql-connector-java", "mysql", "com/mysql/"),
    _known(r"mysql-connector-j", "com.mysql", "com/mysql/"),
    _known(r"xercesImpl", "xerces", "org/apache/xerces/"),
    _known(r"xalan", "xalan", "org/apache/xalan/"),
    _known(r"ant", "org.apache.ant", "org/apache/tools/ant/"),
)


def known_group(artifact: str, version: str, entries: Collection[str]) -> str:
    """The group of the archive `artifact` in `version`, whose files are `entries`; "" if it is none that is known."""
    for known in _KNOWN:
        if (
            known.artifact.fullmatch(artifact)
            and known.version.match(version)
            and any(path.startswith(known.folder) for path in entries)
        ):
            return known.group
    return ""
