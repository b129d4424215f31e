#!/usr/bin/env bash
# CoDefend's prefix with the shipped purifier in the loop: one text for all by search, and a generator
# of one for each request. What they are worth: recipes/prefix.yaml.
set -euo pipefail
out=${1:-runs/prefix}
sallet train prefix --fixed --out "$out/fixed.json" --purifier world/codefend
sallet train prefix --out "$out/generator" --purifier world/codefend
