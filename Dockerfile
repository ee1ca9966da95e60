# One image for everything: the instance (Centrifugo and the callback service under supervisord),
# workers, and every command of `rtm`.
#
#   docker build -t centrifuge-realtime-message .
#
# Only the classic Dockerfile syntax is used, so that Docker, Podman, Buildah and Kaniko build it.
# Another registry, version or digest is one flag:
#   --build-arg CENTRIFUGO_IMAGE=registry.example/centrifugo:v6.9.1@sha256:…
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-trixie
ARG CENTRIFUGO_IMAGE=docker.io/centrifugo/centrifugo:v6.9.1

FROM ${CENTRIFUGO_IMAGE} AS centrifugo

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
# The libraries first: they change less often than the code.
COPY pyproject.toml deploy/container/constraints.txt ./
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; print('\n'.join(project['dependencies'] + project['optional-dependencies']['container'] + project['optional-dependencies']['asymmetric']))" > requirements.txt \
    && python -m venv --without-pip /opt/rtm \
    && pip --python /opt/rtm/bin/python install --no-cache-dir -r requirements.txt -c constraints.txt
COPY README.md LICENSE ./
COPY src src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir dist . \
    && pip --python /opt/rtm/bin/python install --no-cache-dir --no-deps dist/*.whl

FROM ${PYTHON_IMAGE}
# tini is process 1: it passes signals on, also to commands that would ignore them as process 1, and
# takes away what a handler's programs leave behind.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* \
    && groupadd --gid 10001 rtm \
    && useradd --uid 10001 --gid rtm --no-create-home --home-dir /tmp --shell /usr/sbin/nologin rtm
COPY --from=centrifugo /usr/local/bin/centrifugo /usr/local/bin/centrifugo
COPY --from=build /opt/rtm /opt/rtm
COPY deploy/container/entrypoint.sh /usr/local/bin/rtm-entrypoint
COPY deploy/container/healthcheck.py /usr/local/lib/rtm-healthcheck.py
COPY examples /app/examples

ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="centrifuge-realtime-message" \
      org.opencontainers.image.description="Centrifugo, the callback service behind it, and the worker runtime" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="MIT"

# Settings are read from the environment and from /app/rtm.toml; the environment wins.
# In a container a part that listens on the loopback reaches nobody.
ENV PATH=/opt/rtm/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    RTM_DATA_DIR=/tmp/rtm \
    RTM_CALLBACK__HOST=0.0.0.0 \
    RTM_GATEWAY__HOST=0.0.0.0 \
    RTM_WORKER__METRICS_HOST=0.0.0.0 \
    RTM_WORKER__METRICS_PORT=9100 \
    RTM_REDIS__STARTUP_TIMEOUT_SECONDS=30 \
    RTM_LOG__FORMAT=text

# Your app is found here: mount it, or copy it in an image of your own.
WORKDIR /app
USER 10001:10001
# 8000: WebSocket and server API. 3000: callback service, for health and metrics alone; not for the
# world. 9100: a worker's health and metrics.
EXPOSE 8000 3000 9100
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=40s --retries=3 \
    CMD ["python", "-I", "/usr/local/lib/rtm-healthcheck.py"]
ENTRYPOINT ["tini", "--", "rtm-entrypoint"]
CMD ["instance"]
