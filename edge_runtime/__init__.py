"""The box: runs quantized models offline, keeps what is hard, takes updates that cannot stop the line."""
