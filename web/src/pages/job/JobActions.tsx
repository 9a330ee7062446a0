import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";

import { api, take, type Schemas } from "../../api/client";
import { keys } from "../../api/queries";
import { Button, Confirm, ProblemNotice } from "../../ui";

/** What can be done with a job in its state. */
export function JobActions({ job }: { job: Schemas["JobDetail"] }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const params = { path: { job_id: job.id } };
  const refresh = () => queries.invalidateQueries({ queryKey: keys.jobs });
  const cancel = useMutation({ mutationFn: () => take(api.POST("/v1/jobs/{job_id}/cancel", { params })), onSuccess: refresh });
  const retry = useMutation({
    mutationFn: () => take(api.POST("/v1/jobs/{job_id}/retry", { params })),
    onSuccess(made) {
      void refresh();
      void navigate(`/jobs/${made.id}`);
    },
  });
  const remove = useMutation({
    mutationFn: () => take(api.DELETE("/v1/jobs/{job_id}", { params })),
    onSuccess() {
      void navigate("/jobs");
      queries.removeQueries({ queryKey: keys.job(job.id) });
      void queries.invalidateQueries({ queryKey: keys.jobs, exact: true });
    },
  });
  const active = job.state === "queued" || job.state === "running";
  const error = cancel.error ?? retry.error ?? remove.error;
  return (
    <div className="row">
      {active && !job.cancel_requested && (
        <Confirm trigger={t("job.cancel")} title={t("job.cancelTitle")} text={t("job.cancelText")} confirm={t("job.cancel")} onConfirm={() => cancel.mutate()} />
      )}
      {(job.state === "failed" || job.state === "cancelled") && (
        <Button isDisabled={retry.isPending} onPress={() => retry.mutate()}>
          {t("job.retry")}
        </Button>
      )}
      {!active && (
        <Confirm trigger={t("job.delete")} title={t("job.deleteTitle", { name: job.name })} text={t("job.deleteText")} confirm={t("job.delete")} onConfirm={() => remove.mutate()} />
      )}
      {error && <ProblemNotice error={error} />}
    </div>
  );
}
