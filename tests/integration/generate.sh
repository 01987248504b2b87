#!/bin/sh
# Text of the published 260k-parameter Llama, imported: the reference program's own, also as it comes on a terminal.
# Environment: SEQLAB; SEQLAB_SHARED, the folder with data/tinyllama_260k (default ../shared beside the repository).
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common
