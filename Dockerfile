# Triplane with MPI, in an image of its own:
#   docker build -t triplane .  &&  docker run --rm --cap-add SYS_PTRACE triplane bench moe --ep 32
FROM python:3.12-slim

WORKDIR /triplane
COPY pyproject.toml README.md LICENSE ./
COPY topology topology
COPY fabric fabric
COPY collectives collectives
COPY bench bench

# Kernels are compiled once, here, and kept in the image.
ENV NUMBA_CACHE_DIR=/var/cache/triplane
RUN pip install --no-cache-dir '.[mpi,yaml,parquet]' \
    && mkdir -p "$NUMBA_CACHE_DIR" \
    && triplane bench moe --ep 8 > /dev/null \
    && chmod -R a+rwX "$NUMBA_CACHE_DIR"

RUN useradd --create-home ranks
USER ranks
WORKDIR /home/ranks
ENTRYPOINT ["triplane"]
CMD ["--help"]
