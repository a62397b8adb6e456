#!/bin/sh
# A client for gameday in shell: a set in Redis, through redis-cli. $1 is the node's address. Needs jq.
# One JSON object a line comes in, one answer a line goes out; "info" where it is not known what happened.
jq --unbuffered -r '"\(.id) \(.op) \(.f // "-") \(.value)"' | while read -r id op f value; do
  case "$op $f" in
    "invoke add")
      answer=$(timeout 2 redis-cli -h "$1" SADD set "$value" 2>&1)
      case $answer in
        [01]) echo "{\"id\":$id,\"type\":\"ok\",\"value\":$value}" ;;
        *refused* | READONLY*) echo "{\"id\":$id,\"type\":\"fail\",\"error\":\"refused\"}" ;;
        *) echo "{\"id\":$id,\"type\":\"info\",\"error\":\"no answer\"}" ;;
      esac ;;
    "invoke read")
      if answer=$(timeout 2 redis-cli -h "$1" SMEMBERS set 2>/dev/null); then
        echo "{\"id\":$id,\"type\":\"ok\",\"value\":[$(echo $answer | tr ' ' ,)]}"
      else
        echo "{\"id\":$id,\"type\":\"fail\",\"error\":\"redis-cli failed\"}"
      fi ;;
    *) echo "{\"id\":$id,\"type\":\"ok\"}" ;;
  esac
done
