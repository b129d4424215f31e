#!/usr/bin/env bash
# The shipped purifiers, from nothing: about an hour of one CPU core.
#
#   recipes/purifiers.sh [OUT [SEED [PART ...]]]
#
# The other parts are `codefend` with one thing left out, and another objective: what each is worth
# (recipes/purifiers-ablation.yaml); all of them take about three hours. `sallet train purifier` goes
# on where it was stopped, so the same words can be said again.
set -euo pipefail
out=${1:-runs/purifiers} seed=${2:-0} parts=("${@:3}")
noise=(--noise 0.4)
first=(--steps 2400 --batch 16 --crop 96 --rate 2e-3 --every 120 --round 96 --save-every 300)
then=(--guided 8 --steps 500 --batch 8 --every 50 --round 96 --save-every 100)
guide=(--guide 1,1,0.1)
policy=(--on-policy 3 --policy-eps 10)

train() {
  sallet train purifier --out "$out/$1" "${@:2}" --seed "$seed" \
    --fold 4 --widths 48,64,96 --precision bf16
}

[ ${#parts[@]} -gt 0 ] || parts=(diffusion codefend)
for part in "${parts[@]}"; do
  case $part in
    # DiffPure's model: the picture under noise, at the times that it is used for.
    diffusion)
      train diffusion --kind diffusion --until 250 \
        --steps 3000 --batch 16 --crop 96 --rate 2e-3 --every 100 --round 128 ;;
    # CoDefend's way from hostile to clean: first alone, then guided, against attacks on itself.
    way) train way "${noise[@]}" --no-guide "${first[@]}" ;;
    codefend)
      train way "${noise[@]}" --no-guide "${first[@]}"
      train codefend --start "$out/way/purifier" "${noise[@]}" "${guide[@]}" "${policy[@]}" "${then[@]}" ;;
    no-guide)
      train way "${noise[@]}" --no-guide "${first[@]}"
      train no-guide --start "$out/way/purifier" "${noise[@]}" --no-guide "${policy[@]}" "${then[@]}" ;;
    # Clean pictures alone, under noise.
    no-pairs)
      train no-pairs-way "${noise[@]}" --no-pairs --no-guide "${first[@]}"
      train no-pairs --start "$out/no-pairs-way/purifier" "${noise[@]}" --no-pairs "${guide[@]}" "${then[@]}" ;;
    no-noise)
      train no-noise-way --noise 0 --no-guide "${first[@]}"
      train no-noise --start "$out/no-noise-way/purifier" --noise 0 "${guide[@]}" "${policy[@]}" "${then[@]}" ;;
    # ADBM's objective, for as many steps as `way`.
    bridge) train bridge --kind bridge --until 250 "${first[@]}" ;;
    *) echo "there is no part $part; see the parts in $0" >&2; exit 2 ;;
  esac
done
