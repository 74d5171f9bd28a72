# boldglm as a container: works as any user, with a read-only root file system, without network and
# without a home folder, so that `docker run` and `apptainer run` behave alike.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS builder
WORKDIR /build
RUN python -m venv /opt/venv
# Dependencies first: they are installed again only when pyproject.toml changes, not with the code.
# Wheels only, so no compiler is needed; docopt (through pybids) is one pure-Python file that is
# published as source alone.
COPY pyproject.toml ./
RUN python -c "import tomllib; print('\n'.join(tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']))" \
        > requirements.txt \
    && /opt/venv/bin/python -m pip install --no-cache-dir --no-compile --disable-pip-version-check \
        --only-binary :all: --no-binary docopt -r requirements.txt
COPY . ./
# The build context has no git: the version is an argument, or that of the sources (the next release).
ARG VERSION=0.2.0.dev0
ENV SETUPTOOLS_SCM_PRETEND_VERSION=${VERSION}
# The bytecode is made here because the root file system may be read-only later. It is not checked
# against the time stamps of the sources, which not every image format keeps.
RUN /opt/venv/bin/python -m pip install --no-cache-dir --no-compile --disable-pip-version-check \
        --no-deps . \
    && /opt/venv/bin/python -m pip uninstall --yes --quiet setuptools pip \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib

FROM ${PYTHON_IMAGE}
# Mount points, for runtimes that cannot make them on a read-only root; and a home folder that any
# user may read and write.
RUN mkdir -p /data /out /work /home/boldglm && chmod 1777 /home/boldglm
COPY --from=builder /opt/venv /opt/venv
# Packages in the home folder of the calling user stay out; the app is its own parallelism, so the
# linear algebra keeps to one thread unless told otherwise (--omp-nthreads).
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/home/boldglm \
    LC_ALL=C.UTF-8 \
    PYTHONNOUSERSITE=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MPLBACKEND=Agg \
    NO_ET=1 \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1 \
    MKL_NUM_THREADS=1
WORKDIR /tmp
ENTRYPOINT ["/opt/venv/bin/boldglm"]
# Last, because they change with every build.
ARG VERSION=0.2.0.dev0
ARG VCS_REF=unknown
ARG BUILD_DATE=unknown
LABEL org.opencontainers.image.title="boldglm" \
      org.opencontainers.image.description="A BIDS App for voxelwise task-fMRI general linear models" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/boldglm/boldglm" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${VCS_REF}" \
      org.opencontainers.image.created="${BUILD_DATE}"
