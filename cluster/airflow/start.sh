#!/bin/sh
# Airflow in one container: scheduler, triggerer, DAG processor and API server, with SQLite in AIRFLOW_HOME.
#   PASSWORD_FILE   of the user `operator` of its page; Airflow wants to write where its passwords are, and a secret is read only
set -eu
export AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS=operator:admin
export AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE="${AIRFLOW_HOME:?}/passwords.json"
mkdir -p "$AIRFLOW_HOME"
chmod 700 "$AIRFLOW_HOME" # passwords and keys are in there; results are written elsewhere, for others to read
printf '{"operator": "%s"}\n' "$(cat "$PASSWORD_FILE")" > "$AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
# Workers reach the API server beside them, not by the way of users through nginx and its passwords.
path=$(printf %s "${AIRFLOW__API__BASE_URL:-}" | sed -E 's|^[a-z]+://[^/]*||; s|/$||')
export AIRFLOW__CORE__EXECUTION_API_SERVER_URL="http://127.0.0.1:${AIRFLOW__API__PORT:-8080}$path/execution/"
# On a machine whose processors are busy a start of a task may take longer than the 5 s that workers wait by default.
export AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT="${AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT:-60}"
exec airflow standalone
