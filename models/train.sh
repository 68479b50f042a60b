#!/bin/sh
# Trains the embedded model again: makes a virtual environment, then runs training/train.py.
# Usage: sh models/train.sh [more options of train.py]
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
environment=${TRAIN_VENV:-"$here/.venv"}
[ -x "$environment/bin/python" ] || python3 -m venv "$environment"
"$environment/bin/python" -m pip install --quiet -r "$here/training/requirements.txt"
# Keep freed memory: the tensors of each step have the sizes of the step before.
export MALLOC_MMAP_THRESHOLD_=2000000000 MALLOC_TRIM_THRESHOLD_=8000000000 OMP_NUM_THREADS=1
exec "$environment/bin/python" "$here/training/train.py" --out "$here/gpt4all-ts-tiny-chat.Q8_0.gguf" "$@"
