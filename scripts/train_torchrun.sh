#!/bin/sh
# One machine or several; the same command on each:
#   NODES=2 GPUS=8 MASTER=10.0.0.1:29500 scripts/train_torchrun.sh
# torchrun numbers the machines, ends all processes when one fails, and says which one it was.
set -eu
NODES="${NODES:-1}"
GPUS="${GPUS:-$(python -c 'import torch; print(max(1, torch.cuda.device_count()))')}"
exec python -m torch.distributed.run --nnodes "$NODES" --nproc-per-node "$GPUS" \
  --rdzv-backend c10d --rdzv-endpoint "${MASTER:-localhost:29500}" --rdzv-id "${JOB:-text2sql}" \
  -m text2sql_lightning fit --config "${CONFIG:-configs/experiment/mistral7b_qlora_ddp.yaml}" \
  --model.backend "${BACKEND:-transformers}" --trainer.num_nodes "$NODES" --trainer.devices "$GPUS" --trainer.strategy ddp "$@"
