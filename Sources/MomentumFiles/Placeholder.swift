// Replaced by the safetensors reader and writer.
