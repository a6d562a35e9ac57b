# Both programs, on a CPU:
#
#     docker build --tag animate .
#     docker run --rm --volume "$PWD:/work" animate animate build --src photos/ --out shards/
#
# On NVIDIA GPUs (torch's own wheels bring CUDA; the host needs a driver and the NVIDIA Container Toolkit):
#
#     docker build --tag animate:cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu126 .
#     docker run --rm --gpus all --shm-size 2g --volume "$PWD:/work" animate:cuda animate doctor --load

ARG PYTHON_VERSION=3.12

FROM python:${PYTHON_VERSION}-slim AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY animate animate
COPY retrieval retrieval
COPY cli cli
COPY recipes recipes
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:${PYTHON_VERSION}-slim
# Where torch comes from: its CPU builds are 5 GB smaller than those of the package index.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# What of `pip install 'animate[…]'` to have, too: s3, gcs, http, formats.
ARG EXTRAS=s3,http,formats
# Releases are bounded by pyproject.toml; --build-arg PYTHON_VERSION pins the rest.
# hadolint ignore=DL3013
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir --index-url "${TORCH_INDEX}" torch torchvision \
    && pip install --no-cache-dir "$(ls /wheels/animate-*.whl)[${EXTRAS}]" \
    && animate doctor
RUN useradd --create-home --uid 1000 animate
USER 1000
WORKDIR /work
CMD ["animate", "--help"]
