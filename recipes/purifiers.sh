#!/usr/bin/env bash
# The shipped purifiers, from nothing: about an hour of one CPU core. `sallet train purifier` goes on
# where it was stopped, so the same words can be said again.
set -euo pipefail
out=${1:-runs/purifiers}
size=(--fold 4 --widths 48,64,96 --precision bf16)

# DiffPure's model: the picture under noise, at the times that it is used for.
sallet train purifier --out "$out/diffusion" --kind diffusion --until 250 \
  --steps 3000 --batch 16 --crop 96 --rate 2e-3 --every 100 --round 128 "${size[@]}"

# CoDefend's way from hostile to clean: first alone, then guided, against attacks on itself.
sallet train purifier --out "$out/way" --noise 0.4 --no-guide \
  --steps 2400 --batch 16 --crop 96 --rate 2e-3 --every 120 --round 96 --save-every 300 "${size[@]}"
sallet train purifier --out "$out/codefend" --start "$out/way/purifier" --noise 0.4 \
  --guide 1,1,0.1 --guided 8 --on-policy 3 --policy-eps 10 \
  --steps 500 --batch 8 --every 50 --round 96 --save-every 100 "${size[@]}"
