cp -r experiments $T; mkdir -p $T/data/aclImdb/train/pos $T/data/aclImdb/train/neg $T/data/aclImdb/train/unsup $T/data/aan $T/data/cifar10; cd $T
for i in 0 1 2 3; do for class in pos neg unsup; do echo "$class $i" >data/aclImdb/train/$class/$i.txt; done; done
cp -r data/aclImdb/train data/aclImdb/test
for part in train eval test; do printf '1.0\ti\tj\ta\tb\n0.0\ti\tk\ta\tc\n' >data/aan/new_aan_pairs.$part.tsv; done
head -c 30730 /dev/zero >data/cifar10/test_batch.bin
for i in 1 2 3 4 5; do cp data/cifar10/test_batch.bin data/cifar10/data_batch_$i.bin; done
for task in listops text retrieval image pathfinder pathx; do
    $SEQLAB sweep experiments/longconv/lra/$task.yaml --dry-run train.batch_size=1 | tail -n 1
    $SEQLAB train -q experiments/longconv/lra/$task.yaml --dry-run train.batch_size=2 schedule.warmup=0 train.steps=2 | grep '^parameters'
done
