# The service of a trained run. Build: docker build -t magus-serve . ; run: see compose.yaml and docs/serving.md.
FROM python:3.12-slim AS build

WORKDIR /src
COPY setup.cfg pyproject.toml MANIFEST.in README.md LICENSE constraints.txt ./
COPY src ./src
COPY conf ./conf
# pip takes torch's CUDA build, some GB; one of the CPU alone does, where pip is set up to find it.
RUN python -m venv /opt/magus \
    && /opt/magus/bin/pip install --no-cache-dir -c constraints.txt ".[serve]"

FROM python:3.12-slim

# Nothing is written in the image: runs are mounted, and the service's own folder is a volume.
RUN useradd --system --uid 10001 --create-home magus \
    && install -d -o magus -g magus /var/lib/magus
COPY --from=build /opt/magus /opt/magus
ENV PATH=/opt/magus/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10001
VOLUME ["/var/lib/magus"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
ENTRYPOINT ["magus-serve", "run=/run/magus", "serve.host=0.0.0.0", "serve.folder=/var/lib/magus"]
