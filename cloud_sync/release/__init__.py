"""From a trained network to a signed release: quantize, gate, pack, sign, plan the rollout."""
