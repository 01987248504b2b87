#!/bin/sh
# `seqlab sweep --launcher=slurm` on a real Slurm of one node, started here (root needed; no systemd, no munge): a sweep
# of 14 runs of which 12 depend on others; one job is killed by SIGKILL, one preempted and put back into the queue; the
# runs and the table have the bytes that the local launcher gives. Environment: SEQLAB.
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common
skip() {
    echo "skip slurm: $*"
    exit 0
}
for program in slurmctld slurmd sbatch squeue scontrol; do
    command -v $program >/dev/null || skip "$program is not installed (Debian: slurm-wlm)"
done
[ "$(id -u)" -eq 0 ] || skip "slurmd wants root"
cd "$work" || exit 2

# -- One node: a low partition and a high one that preempts it

mkdir -p slurm/state slurm/spool
D=$work/slurm
cores=$(slurmd -C | sed -n 's/.* CPUs=\([0-9]*\).*/\1/p')
port=$((20000 + $$ % 20000))
cat >slurm/slurm.conf <<CONF
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
StateSaveLocation=$D/state
SlurmdSpoolDir=$D/spool
SlurmctldPidFile=$D/slurmctld.pid
SlurmdPidFile=$D/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
KillWait=5
SchedulerParameters=sched_interval=1,bf_interval=1
AuthInfo=cred_expire=15
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=localhost NodeAddr=127.0.0.1 NodeHostname=$(hostname) CPUs=$cores RealMemory=1500 State=UNKNOWN
PartitionName=low Nodes=localhost Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=0
PartitionName=high Nodes=localhost MaxTime=INFINITE State=UP PriorityTier=10
CONF
export SLURM_CONF=$D/slurm.conf
slurmctld -D >slurm/slurmctld.log 2>&1 &
controller=$!
slurmd -D -N localhost >slurm/slurmd.log 2>&1 &
daemon=$!
at_end='scancel -f --me 2>/dev/null; kill $daemon $controller 2>/dev/null; wait 2>/dev/null'
is_idle() { sinfo -h -o %t | grep -qx idle; }
wait_until 40 is_idle || skip "the node did not come up: $(grep -h error slurm/*.log | tail -n 1)"

# -- The sweep

cat >base.yaml <<YAML
run: train
name: tests/base
data: {name: shapes, size: 8, n_train: 200, n_test: 64}
model: {name: mlp, hidden: [16]}
optimizer: {name: sgd, lr: 0.05, momentum: 0.9}
train: {steps: 400, batch_size: 20, eval_every: 100, checkpoint_every: 50, seed: 1}
YAML
cat >sweep.yaml <<YAML
extends: base.yaml
name: tests/sweep
base: {file: base.yaml, same: [train.seed]}
sweep:
  optimizer.lr: [0.001, 0.003, 0.01, 0.03, 0.1, 0.2]
  train.seed: {range: [1, 2]}
slurm: {mem: 100, time: 10, warn_s: 30}
table: {rows: optimizer.lr, over: train.seed, metric: {name: test.top1, scale: 100, digits: 3}}
YAML
cat >slow.yaml <<YAML
extends: base.yaml
name: tests/slow
train: {steps: $((800000 / slow)), eval_every: 0, checkpoint_every: 500}
slurm: {mem: 100, time: 10, cpus: $cores}
YAML
all_runs() {
    (cd "$1" && find . -name metrics.jsonl -o -name model.safetensors | grep -v '/slow/' | LC_ALL=C sort | xargs sha256sum)
}
job_state() { squeue -h -r -o %T -j "$1" 2>/dev/null; }
is_running() { [ "$(job_state "$1")" = RUNNING ]; }
is_gone() { [ -z "$(job_state "$1")" ]; }
submitted() { sed -n 's/^submitted [0-9]* runs: //p' "$1"; }

name="the local launcher makes the sweep"
if "$SEQLAB" sweep sweep.yaml -q --results local >out 2>err; then ok; else not_ok "$(cat err)"; fi

name="the sweep is submitted in waves, and nothing twice"
"$SEQLAB" sweep sweep.yaml --launcher=slurm --submit-only >out 2>err
code=$?
"$SEQLAB" sweep sweep.yaml --launcher=slurm >out2 2>err2
if [ $code -eq 0 ] && grep -q '^submitted 14 runs' out && ! grep -q '^submitted' out2 && squeue -h -r -o %E --me | grep -q '^afterok:'; then ok; else not_ok "code $code: $(cat out err out2 err2)"; fi

name="--status shows the queue"
"$SEQLAB" sweep sweep.yaml --status >status 2>err
if [ "$(wc -l <status)" -eq 15 ] && grep -q 'job [0-9]*_[0-9]* ' status; then ok; else not_ok "$(cat status err)"; fi

name="--wait stays until all 14 are made, with the local launcher's bytes"
"$SEQLAB" sweep sweep.yaml --launcher=slurm --wait -q >out 2>err
code=$?
if [ $code -eq 0 ] && all_runs results >slurm.sums && all_runs local | cmp -s - slurm.sums; then ok; else not_ok "code $code: $(cat out err)"; fi

name="a job that is killed by SIGKILL is submitted again by the next call"
rm -rf results
"$SEQLAB" sweep sweep.yaml --launcher=slurm >out 2>err
first=$(submitted out | cut -d' ' -f1)
wait_until 60 is_running "${first}_0"
scancel -f -s KILL "${first}_0"
wait_until 60 is_gone "${first}_0"
"$SEQLAB" sweep sweep.yaml --launcher=slurm --wait -q >out 2>err
code=$?
tries=0
while [ $code -eq 5 ] && [ $tries -lt 3 ]; do # what needed the killed run was cancelled: afterok
    "$SEQLAB" sweep sweep.yaml --launcher=slurm --wait -q >out 2>err
    code=$?
    tries=$((tries + 1))
done
if [ $code -eq 0 ] && all_runs results | cmp -s slurm.sums -; then ok; else not_ok "code $code: $(cat out err)"; fi

name="the table is the local launcher's, byte for byte"
"$SEQLAB" table sweep.yaml --results local --format csv >local.csv 2>err
sed 's/local//' local.csv >local.txt
"$SEQLAB" table sweep.yaml --format csv >slurm.csv 2>>err
if [ -s slurm.csv ] && cmp -s local.txt slurm.csv; then ok; else not_ok "$(cat err; diff local.txt slurm.csv | head -n 3)"; fi

name="a job that is preempted goes on from its checkpoint, to the same bytes"
"$SEQLAB" train -q slow.yaml --results whole >/dev/null 2>err || cat err
"$SEQLAB" sweep slow.yaml --launcher=slurm >out 2>err
job=$(submitted out)
has_checkpoint() { ls results/tests/slow/*/checkpoint/state.json; }
wait_until 60 has_checkpoint
sbatch -p high --mem=100 -c "$cores" --parsable -o /dev/null --wrap 'sleep 2' >high
is_requeued() { [ "$(squeue -h -r -o %T -j "${job}_0")" = PENDING ]; }
wait_until 60 is_requeued || echo "# it was not preempted"
scontrol update jobid="${job}_0" StartTime=now >/dev/null 2>&1
"$SEQLAB" sweep slow.yaml --launcher=slurm --wait -q >out 2>err
code=$?
restarts=$(record results/tests/slow/????????????/ restarts)
if [ $code -eq 0 ] && [ "$restarts" -ge 1 ] && why=$(same_run whole/tests/slow/???????????? results/tests/slow/????????????); then ok; else not_ok "code $code, restarts $restarts: $why $(cat out err)"; fi
