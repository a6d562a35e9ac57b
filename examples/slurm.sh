#!/usr/bin/env bash
# A build on several machines of a SLURM cluster, which all see $SRC and $OUT:
#
#     SRC=/data/cc3m OUT=/data/shards sbatch examples/slurm.sh
#
# Every step is `animate build`'s own: killed, preempted or out of time, the job is given again and goes on.
#SBATCH --job-name=animate
#SBATCH --nodes=8
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --mem-per-cpu=2G
#SBATCH --time=24:00:00
#SBATCH --requeue
set -euo pipefail

: "${SRC:?the corpus: a path that all machines see, or a name}" "${OUT:?where the shards go}"
port=6379
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | cut -d ' ' -f 1)

# One thread each: a worker is a process, and there is one a CPU.
export OMP_NUM_THREADS=1 RAY_USAGE_STATS_ENABLED=0

srun --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --node-ip-address="$address" --port="$port" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
sleep 20
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
    srun --nodes="$((SLURM_JOB_NUM_NODES - 1))" --ntasks="$((SLURM_JOB_NUM_NODES - 1))" --exclude="$head" \
        ray start --address="$address:$port" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
fi

# Ten minutes before the job's end no shard is begun any more.
animate build --src "$SRC" --out "$OUT" --address "$address:$port" --time-limit 1430m
