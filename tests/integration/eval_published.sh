#!/bin/bash
# A published ResNet-20 on CIFAR-10 images: 3992 of 4000 right, as an independent NumPy forward pass of the same weights
# found (data: $SEQLAB_SHARED, default ../shared). Environment: SEQLAB.
cd "$(dirname "$0")/../.." || exit 2
shared=$(realpath -m "${SEQLAB_SHARED:-../shared}")/data
weights=$shared/resnet_cifar10/resnet20-12fca82f.safetensors images=$shared/cifar10/data_batch_1_first4000.bin.gz
name="eval of a published ResNet-20"
if [ ! -r "$weights" ] || [ ! -r "$images" ]; then
    echo "skip $name: $weights or $images is not here"
    exit 0
fi
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cat >"$work/eval.yaml" <<YAML
run: eval
data: {name: cifar10, normalize: imagenet, test_file: $images}
model: {name: resnet20}
train: {steps: 1, batch_size: 100}
YAML
"${SEQLAB:-build/release/seqlab}" eval "$work/eval.yaml" --checkpoint "$weights" -o "$work/confusion.png" >"$work/out" 2>"$work/err"
if [ "$(head -n 1 "$work/out")" = "top1 99.80 % (3992 of 4000)" ]; then
    echo "ok $name"
else
    echo "not ok $name: $(head -n 1 "$work/out") $(head -n 3 "$work/err")"
fi
if [ "$(head -c 4 "$work/confusion.png" | tail -c 3)" = PNG ]; then echo "ok confusion matrix as PNG"; else echo "not ok confusion matrix as PNG"; fi
