#!/bin/sh
# Networks that others trained, in their own files: `seqlab eval` on true CIFAR-10 images. The 3,992 of 4,000 for ResNet-20
# came from an independent forward pass. The files are not part of the project: without them the tests are skipped.
cd "$(dirname "$0")/../.." || exit 2
shared=${SEQLAB_SHARED:-../shared}/data
images=$shared/cifar10/data_batch_1_first4000.bin.gz

top1() { # FILE MODEL
    "$SEQLAB" eval experiments/published/resnet-cifar10.yaml -q --checkpoint "$shared/resnet_cifar10/$1" \
        model.name="$2" data.test_file="$images" | sed -n 's/^top1 .*(\([0-9]*\) of \([0-9]*\))$/\1 \2/p'
}

if [ ! -r "$images" ]; then
    echo "skip eval of published ResNets: $images is not here"
    exit 0
fi
got=$(top1 resnet20-12fca82f.safetensors resnet20)
if [ "$got" = "3992 4000" ]; then echo "ok published ResNet-20: 3992 of 4000"; else echo "not ok published ResNet-20: '$got'"; fi

# The sanitizers' build is slow; one network shows there what four show elsewhere.
case $SEQLAB in *asan*) exit 0 ;; esac
for file in resnet32-d509ac18 resnet44-014dd654 resnet56-4bfd9763; do
    got=$(top1 $file.safetensors "${file%%-*}")
    right=${got%% *}
    if [ "${got##* }" = 4000 ] && [ "$right" -ge 3992 ]; then
        echo "ok published ${file%%-*}: $right of 4000"
    else
        echo "not ok published ${file%%-*}: '$got'"
    fi
done
