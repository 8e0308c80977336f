"""The commands of `edasim`, a module each."""
