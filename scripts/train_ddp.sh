#!/bin/sh
# All GPUs of this machine, or GPUS of them: GPUS=4 scripts/train_ddp.sh --output_dir outputs/four
set -eu
exec text2sql fit --config "${CONFIG:-configs/experiment/mistral7b_qlora_ddp.yaml}" \
  --model.backend "${BACKEND:-transformers}" --trainer.devices "${GPUS:-auto}" --trainer.strategy ddp "$@"
