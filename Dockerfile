# Triplane with MPI, in an image of its own:
#   docker build -t triplane .  &&  docker run --rm --cap-add SYS_PTRACE triplane bench moe --ep 32
FROM python:3.12-slim

WORKDIR /triplane
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY topology topology
COPY fabric fabric
COPY collectives collectives
COPY bench bench

# What is in C is compiled here, and the compiler does not stay; kernels are compiled once, and kept.
ENV NUMBA_CACHE_DIR=/var/cache/triplane
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev \
    && pip install --no-cache-dir '.[mpi,yaml,parquet]' \
    && apt-get purge -y --auto-remove gcc libc6-dev && rm -rf /var/lib/apt/lists/* \
    && mkdir -p "$NUMBA_CACHE_DIR" \
    && triplane bench moe --ep 8 > /dev/null \
    && chmod -R a+rwX "$NUMBA_CACHE_DIR"

RUN useradd --create-home ranks
USER ranks
WORKDIR /home/ranks
ENTRYPOINT ["triplane"]
CMD ["--help"]
