import { useState } from "react";
import { useTranslation } from "react-i18next";

import { useFormat } from "../i18n/format";
import { Button, Form, TextField } from "../ui";
import type { Measuring } from "./useMeasure";
import styles from "./viewer.module.css";

/** What the picked points span, in metres where there is a scale; one that is known sets the scale. */
export function MeasurePanel({ measuring }: { measuring: Measuring }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [known, setKnown] = useState("");
  const { result, scale, points } = measuring;
  const length = (value: number) => (scale === null ? t("measure.units", { value: format.precise(value) }) : format.metres(value * scale));
  const area = (value: number) =>
    scale === null ? t("measure.squareUnits", { value: format.precise(value) }) : t("measure.squareMetres", { value: format.precise(value * scale * scale) });
  return (
    <section className={styles.panel} aria-label={t("measure.title")}>
      {points.length < 2 && <p className="quiet small">{t("measure.hint")}</p>}
      {result && (
        <dl className={styles.values} data-length={scale === null ? undefined : result.length * scale} data-units={result.length}>
          <dt>{t("measure.length")}</dt>
          <dd>
            <output>{length(result.length)}</output>
          </dd>
          {result.area !== null && (
            <>
              <dt>{t("measure.area")}</dt>
              <dd>{area(result.area)}</dd>
            </>
          )}
          {result.angle !== null && (
            <>
              <dt>{t("measure.angle")}</dt>
              <dd>{format.degrees((result.angle * 180) / Math.PI)}</dd>
            </>
          )}
        </dl>
      )}
      <div className="row">
        <Button onPress={measuring.pickMiddle}>{t("measure.middle")}</Button>
        <Button isDisabled={points.length === 0} onPress={measuring.undo}>
          {t("measure.undo")}
        </Button>
        <Button isDisabled={points.length === 0} onPress={measuring.clear}>
          {t("measure.clear")}
        </Button>
      </div>
      {result && (
        <Form className="row" onSubmit={() => measuring.setLength(Number(known.replace(",", ".")))}>
          <TextField label={t("measure.known")} value={known} onChange={setKnown} inputMode="decimal" />
          <Button type="submit" isDisabled={!(Number(known.replace(",", ".")) > 0)}>
            {t("measure.setScale")}
          </Button>
        </Form>
      )}
    </section>
  );
}
