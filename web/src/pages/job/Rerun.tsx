import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Dialog, DialogTrigger, Heading, Modal, ModalOverlay } from "react-aria-components";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";

import { api, take, type Schemas } from "../../api/client";
import { keys, rerunForecast } from "../../api/queries";
import { useFormat } from "../../i18n/format";
import { Button, Form, Notice, ProblemNotice, TextField, uiStyles } from "../../ui";
import { SettingsForm } from "../set/SettingsForm";
import { type Quality, QUALITIES } from "../set/settings";
import { stageName } from "../stages";
import { changesOf, qualityOf, typedOf } from "./rerun";
import { useSettled } from "./useSettled";

const SETTLED_MS = 400;

/** A button that opens what a job is to be like when it runs again. */
export function Rerun({ job }: { job: Schemas["JobDetail"] }) {
  const { t } = useTranslation();
  return (
    <DialogTrigger>
      <Button>{t("job.rerun")}</Button>
      <ModalOverlay className={uiStyles.overlay ?? ""} isDismissable>
        <Modal className={uiStyles.wide ?? ""}>
          <Dialog className={`${uiStyles.dialog} ${uiStyles.scrolling}`}>{({ close }) => <RerunForm job={job} close={close} />}</Dialog>
        </Modal>
      </ModalOverlay>
    </DialogTrigger>
  );
}

function RerunForm({ job, close }: { job: Schemas["JobDetail"]; close: () => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [quality, setQuality] = useState<Quality>(qualityOf(job.quality));
  const [name, setName] = useState("");
  const [typed, setTyped] = useState(() => typedOf(job.settings));
  const changes = changesOf(job, { quality, name, typed });
  const submit = useMutation({
    mutationFn: () => take(api.POST("/v1/jobs/{job_id}/rerun", { params: { path: { job_id: job.id } }, body: changes })),
    onSuccess(made) {
      close();
      void queries.invalidateQueries({ queryKey: keys.jobs });
      void navigate(`/jobs/${made.id}`);
    },
  });
  return (
    <Form className="stack" onSubmit={() => submit.mutate()}>
      <Heading slot="title" level={2}>
        {t("rerun.title")}
      </Heading>
      <p className="quiet small">{t("rerun.text")}</p>
      <label className={uiStyles.field}>
        {t("form.quality")}
        <select className={uiStyles.input} value={quality} onChange={(event) => setQuality(event.target.value as Quality)}>
          {QUALITIES.map((each) => (
            <option key={each} value={each}>
              {t(`form.${each}`)}
            </option>
          ))}
        </select>
      </label>
      <TextField label={t("form.name")} value={name} onChange={setName} placeholder={job.name} maxLength={200} />
      <SettingsForm quality={quality} values={typed} onChange={setTyped} />
      <Reuse job={job} changes={changes} />
      {submit.error && <ProblemNotice error={submit.error} />}
      <div className="row">
        <Button type="submit" kind="primary" isDisabled={submit.isPending}>
          {t("job.rerun")}
        </Button>
        <Button onPress={close}>{t("cancel")}</Button>
      </div>
    </Form>
  );
}

/** What these changes leave as it is, and how long the rest takes. */
function Reuse({ job, changes }: { job: Schemas["JobDetail"]; changes: Schemas["RerunRequest"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const settled = useSettled(JSON.stringify(changes), SETTLED_MS);
  const found = useQuery({ ...rerunForecast(job.id, settled), placeholderData: keepPreviousData });
  if (found.error) return <ProblemNotice error={found.error} />;
  if (!found.data) return null;
  const names = [...new Set(found.data.reused.map((each) => stageName(t, each)))];
  return (
    <Notice tone="plain" title={names.length > 0 ? t("rerun.reused") : t("rerun.nothingReused")}>
      {names.length > 0 && <p data-reused={found.data.reused.length}>{names.join(" · ")}</p>}
      <p className="numbers">
        {t("rerun.time", { low: format.duration(found.data.seconds_low), high: format.duration(found.data.seconds_high) })}
      </p>
    </Notice>
  );
}
