# boldglm as a container: works as any user, with a read-only root file system, without network and
# without a home folder, so that `docker run` and `apptainer run` behave alike.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS builder
WORKDIR /build
ENV PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# Dependencies first: they are installed again only when the locks change, not with the code. `make
# lock` renews the locks. Wheels only, so no compiler is needed; docopt (through pybids) is one
# pure-Python file that is published as source alone.
COPY container/*.lock ./container/
RUN python -m venv /opt/venv && python -m venv tools \
    && tools/bin/python -m pip install --require-hashes --only-binary :all: -r container/build.lock \
    && tools/bin/python -m pip --python /opt/venv/bin/python install --require-hashes \
        --only-binary :all: --no-binary docopt --no-deps -r container/requirements.lock
COPY . ./
# The build context has no git: the version is an argument, or that of the sources (the next release).
ARG VERSION=0.2.0.dev0
# The bytecode is made here because the root file system may be read-only later. It is not checked
# against the time stamps of the sources, which not every image format keeps.
RUN SETUPTOOLS_SCM_PRETEND_VERSION=${VERSION} tools/bin/python -m pip wheel --quiet --no-deps \
        --no-build-isolation --wheel-dir dist . \
    && /opt/venv/bin/python -m pip install --no-deps --no-index dist/*.whl \
    && /opt/venv/bin/python container/sbom.py \
        "$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
        /opt/venv/share/boldglm/sbom.cdx.json \
    && /opt/venv/bin/python -m pip uninstall --yes --quiet setuptools pip \
    && sh container/trim.sh /opt/venv/lib \
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
# Last, because they change with every build. Without arguments, as by `docker build .`, these are the
# version and the tag that the sources lead to; a release has its own (docs/releasing.md).
ARG VERSION=0.2.0.dev0
ARG VCS_REF=before-v0.2.0
ARG BUILD_DATE=unknown
LABEL org.opencontainers.image.title="boldglm" \
      org.opencontainers.image.description="A BIDS App for voxelwise task-fMRI general linear models" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/boldglm/boldglm" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${VCS_REF}" \
      org.opencontainers.image.created="${BUILD_DATE}"
