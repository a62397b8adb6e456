// What a node of PostgreSQL runs.
#pragma once

namespace gameday::postgres {

// $1 name, $2 address, $3 the address of the first primary, $4 seconds without a primary until the
// heir promotes itself (0: never), $5 synchronous_commit, $6 synchronous_standby_names, $7
// recovery_min_apply_delay in ms, then the addresses of the others. A folder `new` counts from when
// `complete` is there.
inline constexpr const char* kScript = R"sh(
bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
export LC_ALL=C PGUSER=postgres PGDATABASE=postgres PGSSLMODE=disable PGGSSENCMODE=disable
name=$1 address=$2 first=$3 after=$4 commit=$5 standbys=$6 delay=$7
shift 7

# The timeline of a primary; 0 of a standby; nothing of who does not answer.
timeline() {
  timeout 1 $bin/psql -XAt -h "$1" -c "SELECT CASE WHEN pg_is_in_recovery() THEN 0
    ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END" 2>/dev/null
}
# Of the primaries among the others that of the newest timeline, "2 10.77.0.2", or nothing.
newest() {
  for other; do
    (t=$(timeline "$other") && [ "$t" -gt 0 ] && echo "$t $other") &
  done | sort -n | tail -n 1
}
configure() {
  cat >postgres.conf.new <<END
listen_addresses = '$address'
unix_socket_directories = ''
hba_file = '$PWD/hba.conf'
shared_buffers = 32MB
min_wal_size = 8MB
max_wal_size = 256MB
wal_keep_size = 128MB
wal_log_hints = on
wal_sender_timeout = 3s
wal_receiver_timeout = 3s
wal_retrieve_retry_interval = 200ms
max_connections = 200
log_min_messages = log
synchronous_commit = $commit
synchronous_standby_names = '$standbys'
recovery_min_apply_delay = ${delay}ms
primary_conninfo = 'host=$1 application_name=$name connect_timeout=2'
END
  mv postgres.conf.new postgres.conf
  sync postgres.conf .
}
adopt() {
  [ -e complete ] || return 0
  [ ! -d new ] || { rm -rf data && mv new data; }
  sync . && rm complete && sync .
}
completed() { sync . && : >complete && sync complete . && adopt; }
copy() {
  rm -rf complete new
  $bin/pg_basebackup -h "$1" -D new -X stream -c fast && : >new/standby.signal &&
    sync new/standby.signal new && configure "$1" && completed
}
# Locks of a life before name processes that are others now.
serve() { rm -f data/postmaster.pid; exec $bin/postgres -D data -c config_file="$PWD/postgres.conf"; }

adopt
if [ ! -e hba.conf ]; then
  printf 'host all all 0.0.0.0/0 trust\nhost replication all 0.0.0.0/0 trust\n' >hba.conf.new
  sync hba.conf.new && mv hba.conf.new hba.conf
fi
if [ ! -d data ] && [ "$address" = "$first" ]; then
  rm -rf new
  $bin/initdb -D new -U postgres -A trust -E UTF8 --locale=C --wal-segsize=1 --no-instructions &&
    configure "$2" && completed || exit 1
fi
while [ ! -d data ]; do
  found=$(newest "$@")
  [ -z "$found" ] && sleep 0.2 || copy "${found#* }"
done
[ "$after" != 0 ] || serve

# Failover as people write it, without a majority or a fence: whoever comes first of the others promotes
# itself, and a primary that sees one of a newer timeline becomes its standby by copying it.
now() { read -r up _ </proc/uptime; echo "${up%.*}"; }
followed() { sed -n "s/^primary_conninfo = 'host=\([^ ]*\).*/\1/p" postgres.conf; }
heir() {  # by address: all are 10.77.0.i
  printf '%s\n' "$address" "$@" | grep -vxF "$(followed)" | sort -t . -k 4n | head -n 1
}
streams() {
  [ "$(timeout 1 $bin/psql -XAt -h "$address" -c \
    "SELECT status FROM pg_stat_wal_receiver" 2>/dev/null)" = streaming ]
}
again() {
  kill -QUIT $server
  wait $server
  until copy "$1"; do sleep 1; done
  serve & server=$!
}
serve & server=$!
well=$(now)
while sleep 0.5; do
  kill -0 $server 2>/dev/null || { wait $server; exit $?; }
  found=$(newest "$@")
  if [ ! -e data/standby.signal ]; then
    own=$(timeline "$address")
    [ -n "$found" ] && [ "${found% *}" -gt "${own:-999999}" ] && again "${found#* }"
    well=$(now)
  elif [ -z "$found" ]; then
    [ $(($(now) - well)) -ge "$after" ] && [ "$(heir "$@")" = "$address" ] &&
      $bin/pg_ctl promote -D data
  elif [ "${found#* }" != "$(followed)" ]; then
    configure "${found#* }" && kill -HUP $server
    well=$(now)
  elif streams; then
    well=$(now)
  elif [ $(($(now) - well)) -ge $((after + 5)) ]; then
    again "${found#* }"  # it has what this primary never had
    well=$(now)
  fi
done
)sh";

}  // namespace gameday::postgres
