import { useMutation, useQueries, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Label, Radio, RadioGroup } from "react-aria-components";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";

import { api, take, type Schemas } from "../../api/client";
import { forecast, keys } from "../../api/queries";
import document from "../../generated/settings.json";
import { useFormat } from "../../i18n/format";
import { Button, Form, Notice, ProblemNotice, TextField } from "../../ui";
import { SettingsForm } from "./SettingsForm";
import styles from "./set.module.css";
import { parsed, type Quality, QUALITIES } from "./settings";

/** What a job is to be like: its quality by what it gives and costs, its name, and settings for those who need them. */
export function JobForm({ setId, setName, count }: { setId: string; setName: string; count: number }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [quality, setQuality] = useState<Quality>("medium");
  const [name, setName_] = useState("");
  const [settings, setSettings] = useState<Record<string, string>>({});
  const forecasts = useQueries({ queries: QUALITIES.map((each) => forecast(setId, count, each)) });
  const chosen = forecasts[QUALITIES.indexOf(quality)];
  const submit = useMutation({
    mutationFn: () => {
      const body = { image_set_id: setId, quality, name: name || setName, priority: 0, settings: parsed(settings) };
      return take(api.POST("/v1/jobs", { body }));
    },
    onSuccess(job) {
      void queries.invalidateQueries({ queryKey: keys.jobs });
      void navigate(`/jobs/${job.id}`);
    },
  });
  return (
    <Form className="card stack" onSubmit={() => submit.mutate()}>
      <h2>{t("form.title")}</h2>
      <RadioGroup className={styles.qualities ?? ""} value={quality} onChange={(value) => setQuality(value as Quality)}>
        <Label>{t("form.quality")}</Label>
        {QUALITIES.map((each, index) => (
          <Radio key={each} value={each} className={styles.quality ?? ""}>
            <strong>{t(`form.${each}`)}</strong>
            <span className="quiet small">{t(`form.${each}Text`)}</span>
            <Cost quality={each} forecast={forecasts[index]?.data} />
          </Radio>
        ))}
      </RadioGroup>
      {chosen?.error && <ProblemNotice error={chosen.error} />}
      {(chosen?.data?.queued_ahead ?? 0) > 0 && (
        <Notice tone="plain" title={t("form.ahead", { count: chosen?.data?.queued_ahead ?? 0 })} />
      )}
      <TextField label={t("form.name")} value={name} onChange={setName_} placeholder={setName} maxLength={200} />
      <SettingsForm quality={quality} values={settings} onChange={setSettings} />
      {submit.error && <ProblemNotice error={submit.error} />}
      <Button type="submit" kind="primary" isDisabled={submit.isPending}>
        {t("form.submit")}
      </Button>
    </Form>
  );
}

function Cost({ quality, forecast: cost }: { quality: Quality; forecast: Schemas["ForecastView"] | undefined }) {
  const { t } = useTranslation();
  const format = useFormat();
  const faces = t("form.faces", { count: document.presets[quality]["mesh.max_faces"] });
  const text = cost
    ? [
        t("form.time", { low: format.duration(cost.seconds_low), high: format.duration(cost.seconds_high) }),
        t("form.memory", { bytes: format.bytes(cost.memory_bytes) }),
      ].join(" · ")
    : t("form.unknown");
  return (
    <>
      <span className="small numbers">{text}</span>
      <span className="quiet small numbers">{faces}</span>
    </>
  );
}
