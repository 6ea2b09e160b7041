#!/bin/bash
# sbatch --nodes 2 --gpus-per-node 8 --ntasks-per-node 8 scripts/train_slurm.sh
# The output folder has to lie on a disk that all machines share.
#SBATCH --job-name text2sql
#SBATCH --time 04:00:00
#SBATCH --requeue
#SBATCH --open-mode append
#SBATCH --signal B:USR1@120
set -u
OUT="${OUT:-outputs/slurm_${SLURM_JOB_ID}}"
resume=()
[ -e "$OUT/checkpoints/last.ckpt" ] && resume=(--ckpt_path last)

# Two minutes before the time is up the step at work is finished and saved; then the job queues again and goes on.
requeue() {
  scancel --signal USR1 "${SLURM_JOB_ID}.0"
  wait "$run"
  scontrol requeue "$SLURM_JOB_ID"
  exit 0
}
trap requeue USR1

# Lightning's own requeueing would write checkpoints of its own beside these.
srun --kill-on-bad-exit=1 text2sql fit --config "${CONFIG:-configs/experiment/mistral7b_qlora_ddp.yaml}" \
  --trainer.num_nodes "$SLURM_JOB_NUM_NODES" --trainer.devices "$SLURM_NTASKS_PER_NODE" --trainer.strategy ddp \
  --trainer.plugins '{"class_path": "lightning.pytorch.plugins.environments.SLURMEnvironment", "init_args": {"auto_requeue": false}}' \
  --output_dir "$OUT" "${resume[@]}" "$@" &
run=$!
wait "$run"
