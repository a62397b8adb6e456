#!/bin/sh
# A client for gameday in shell: a set in Redis, through redis-cli. $1 is the node's address. Needs jq.
# One JSON object a line comes in, one answer a line goes out; "info" where it is not known what happened.
while read -r request; do
  id=$(printf %s "$request" | jq .id)
  case $(printf %s "$request" | jq -r '.op + " " + (.f // "")') in
    "invoke add")
      value=$(printf %s "$request" | jq .value)
      if answer=$(timeout 2 redis-cli -h "$1" SADD set "$value" 2>&1); then
        case $answer in
          [01]) echo "{\"id\":$id,\"type\":\"ok\",\"value\":$value}" ;;
          *refused*|READONLY*) echo "{\"id\":$id,\"type\":\"fail\",\"error\":\"refused\"}" ;;
          *) echo "{\"id\":$id,\"type\":\"info\",\"error\":\"no answer\"}" ;;
        esac
      else
        echo "{\"id\":$id,\"type\":\"info\",\"error\":\"redis-cli failed\"}"
      fi ;;
    "invoke read")
      if answer=$(timeout 2 redis-cli -h "$1" SMEMBERS set 2>/dev/null); then
        printf '%s\n' "$answer" | jq -cRn "{id: $id, type: \"ok\", value: [inputs | select(. != \"\") | tonumber]}"
      else
        echo "{\"id\":$id,\"type\":\"fail\",\"error\":\"redis-cli failed\"}"
      fi ;;
    *) echo "{\"id\":$id,\"type\":\"ok\"}" ;;
  esac
done
