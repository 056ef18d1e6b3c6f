#!/usr/bin/env bash
# Trains on machines without a batch system, which ssh reaches without a password.
#
#   ./train.sh CONFIG FOLDER [OPTION of lockstep train]...
#
# Change: the file `hosts` beside this script, and `threads`. The machines need the same lockstep and Open MPI at the same
# paths, the same processors, and FOLDER on a file system that all see at the same path. Call it on one of them.
#
# When a rank or a machine fails, the run goes on with those that are left. Ctrl-C, or kill, has the ranks save; the same
# command goes on from there.
set -eu
threads=1
hosts=$(dirname -- "$0")/hosts
# Where machines have several networks, the one to use; an interface's name or, as here, its addresses:
# export OMPI_MCA_btl_tcp_if_include=192.168.1.0/24 OMPI_MCA_oob_tcp_if_include=192.168.1.0/24

config=${1:?a configuration is missing: ./train.sh CONFIG FOLDER}
folder=${2:?the folder of the run is missing: ./train.sh CONFIG FOLDER}
shift 2

# The sum of all slots, a line without them having one; a rank for each.
ranks=$(awk '!/^#/ && NF { n = 1; for (i = 2; i <= NF; i++) if (sub("^slots=", "", $i)) n = $i; ranks += n }
  END { print ranks + 0 }' "$hosts")
exec lockstep launch -n "$ranks" --hostfile "$hosts" --mpirun "--map-by slot:PE=$threads" -- \
  train "$config" --resume --out "$folder" --threads "$threads" "$@"
