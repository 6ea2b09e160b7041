#!/bin/bash
# OUT=/shared/runs/first sbatch --nodes 2 --gpus-per-node 8 --ntasks-per-node 8 scripts/train_slurm.sh
# OUT is the output folder, on a disk that all machines share; flags of `text2sql fit` may follow.
#SBATCH --job-name text2sql
#SBATCH --time 04:00:00
#SBATCH --requeue
#SBATCH --open-mode append
#SBATCH --signal B:USR1@300
set -u
OUT="${OUT:-outputs/slurm_${SLURM_JOB_ID}}"
if [ -e "$OUT/checkpoints/last.ckpt" ]; then
  again="--ckpt_path last"
elif [ -e "$OUT/run_meta.json" ]; then
  again="--overwrite true"  # stopped before its first checkpoint: there is nothing to lose
else
  again=""
fi

# Five minutes before the time is up the step at work is finished and saved; then the job queues again and goes on. A
# validation at work is waited for, but not so long that the time runs out.
requeue() {
  scancel --signal USR1 "${SLURM_JOB_ID}.0"
  for _ in $(seq 240); do kill -0 "$run" 2>/dev/null || break; sleep 1; done
  scontrol requeue "$SLURM_JOB_ID"
  exit 0
}
trap requeue USR1

# Lightning's own requeueing would write checkpoints of its own beside these.
# shellcheck disable=SC2086
srun --kill-on-bad-exit=1 text2sql fit --config "${CONFIG:-configs/experiment/mistral7b_qlora_ddp.yaml}" \
  --model.backend "${BACKEND:-transformers}" --trainer.num_nodes "$SLURM_JOB_NUM_NODES" \
  --trainer.devices "$SLURM_NTASKS_PER_NODE" --trainer.strategy ddp \
  --trainer.plugins '{"class_path": "lightning.pytorch.plugins.environments.SLURMEnvironment", "init_args": {"auto_requeue": false}}' \
  "$@" --output_dir "$OUT" $again &
run=$!
wait "$run"
