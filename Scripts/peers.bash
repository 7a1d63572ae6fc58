# Sourced by the scripts that run the peers, after common.bash: finds or makes their Python environment, pinned in
# Benchmarks/peers/requirements.txt, and leaves its folder in $environment.
#
# PEERS_ENVIRONMENT names an environment that has them already; it is used as it is. Otherwise they are installed into
# .venv-peers at the root of the repository (3 GB; Python 3.11 to 3.13).
#
# PyTorch's package for Linux brings gigabytes of CUDA libraries and does not load without them, so the CPU build is
# asked for: pip finds it if PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS name a place that has it (the index that
# pytorch.org names for CPU). Without it PyTorch is left out and reported as not installed; with
# PEERS_TORCH='torch==2.13.0' in the environment the package with CUDA is taken instead.

requirements="$root/Benchmarks/peers/requirements.txt"
# Less talk from TensorFlow; and JAX on the processor, also where there is a graphics card.
export TF_CPP_MIN_LOG_LEVEL=3 JAX_PLATFORMS=cpu

# One installation a line of the requirements: what one peer lacks must not keep the others out.
install_peers() {
  local line
  if [ ! -x "$environment/bin/python" ]; then
    python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
      || fail "$(python3 --version) found; expected Python 3.11 to 3.13, for which all peers have packages"
    python3 -m venv "$environment"
  fi
  grep -v '^ *\(#\|$\)' "$requirements" | while IFS= read -r line; do
    case "$line" in torch==*) line="${PEERS_TORCH:-$line}" ;; esac
    install_line "$line" || echo "cannot be installed here and is left out: $line"
  done
}

# Several requirements on one line share the marker behind the semicolon.
install_line() {
  local marker="" word words=()
  case "$1" in *" ; "*) marker=" ; ${1#* ; }" ;; esac
  for word in ${1%% ; *}; do words+=("$word$marker"); done
  "$environment/bin/pip" install --quiet --disable-pip-version-check "${words[@]}"
}

provide_peers() {
  local stamp wanted
  if [ -n "${PEERS_ENVIRONMENT-}" ]; then
    environment="$PEERS_ENVIRONMENT"
    [ -x "$environment/bin/python" ] || fail "PEERS_ENVIRONMENT: no bin/python in '$environment'"
    return
  fi
  environment="$root/.venv-peers"
  stamp="$environment/installed"
  # Another place to look for packages may have what was missing before.
  wanted="$(cat "$requirements") ${PEERS_TORCH-} ${PIP_EXTRA_INDEX_URL-} ${PIP_FIND_LINKS-}"
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    step "Installing the peers into .venv-peers" install_peers
    printf '%s\n' "$wanted" >"$stamp"
  fi
}
