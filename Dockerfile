# docker build --tag imagegate . && docker run --publish 127.0.0.1:5000:5000 --volume imagegate:/var/lib/imagegate imagegate
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/imagegate
COPY requirements.lock ./
RUN /opt/imagegate/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY scanning scanning
COPY storage storage
COPY proxy proxy
RUN /opt/imagegate/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/imagegate/bin/pip uninstall --yes hatchling pip setuptools

FROM python:3.11-slim
RUN pip uninstall --yes pip setuptools wheel \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/imagegate imagegate \
    && install --directory --owner 10001 --group 10001 --mode 0700 /var/lib/imagegate
COPY --from=build /opt/imagegate /opt/imagegate
ENV PATH=/opt/imagegate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    IMAGEGATE_LISTEN__HOST=0.0.0.0 \
    IMAGEGATE_LISTEN__PORT=5000 \
    IMAGEGATE_STATE_DIR=/var/lib/imagegate
USER 10001:10001
WORKDIR /var/lib/imagegate
VOLUME /var/lib/imagegate
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["python", "-c", \
    "import os, ssl, urllib.request as r; e = os.environ; s = 'https' if e.get('IMAGEGATE_LISTEN__TLS_CERT_FILE') else 'http'; r.urlopen(s + '://127.0.0.1:' + e['IMAGEGATE_LISTEN__PORT'] + '/healthz', timeout=4, context=ssl._create_unverified_context())"]
ENTRYPOINT ["imagegate"]
CMD ["serve"]
