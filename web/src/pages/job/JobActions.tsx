import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";

import { api, take, type Schemas } from "../../api/client";
import { keys } from "../../api/queries";
import { Button, Confirm, ProblemNotice } from "../../ui";
import { useDeletions } from "../../undo/context";
import { Rerun } from "./Rerun";

/** What can be done with a job in its state. */
export function JobActions({ job }: { job: Schemas["JobDetail"] }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const remove = useRemove(job);
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
  const active = job.state === "queued" || job.state === "running";
  const error = cancel.error ?? retry.error;
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
      {!active && <Rerun job={job} />}
      {!active && (
        <Button kind="danger" onPress={remove}>
          {t("job.delete")}
        </Button>
      )}
      {error && <ProblemNotice error={error} />}
    </div>
  );
}

/** Delete a job after a while, in which that can be taken back. */
function useRemove(job: Schemas["JobDetail"]): () => void {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [deletions] = useDeletions();
  return () => {
    deletions.add({
      id: job.id,
      name: job.name || job.id,
      async commit({ keepalive }) {
        await take(api.DELETE("/v1/jobs/{job_id}", { params: { path: { job_id: job.id } }, keepalive }));
        queries.removeQueries({ queryKey: keys.job(job.id) });
        await queries.invalidateQueries({ queryKey: keys.jobs });
      },
    });
    void navigate("/jobs");
  };
}
