import { useTranslation } from "react-i18next";

import { Button } from "../ui";
import type { Clipping } from "./useClip";
import styles from "./viewer.module.css";

const AXES = ["x", "y", "z"] as const;

/** The sides of a box outside of which nothing is drawn: two sliders an axis. */
export function ClipPanel({ clipping }: { clipping: Clipping }) {
  const { t } = useTranslation();
  return (
    <section className={styles.panel} aria-label={t("clip.title")}>
      {AXES.map((axis, index) => {
        const [low, high] = clipping.shares[index] ?? [0, 1];
        return (
          <fieldset key={axis} className={styles.axis}>
            <legend className="small">{t("clip.axis", { axis: axis.toUpperCase() })}</legend>
            <Side label={t("clip.from", { axis: axis.toUpperCase() })} value={low} onChange={(value) => clipping.set(index, [Math.min(value, high), high])} />
            <Side label={t("clip.to", { axis: axis.toUpperCase() })} value={high} onChange={(value) => clipping.set(index, [low, Math.max(value, low)])} />
          </fieldset>
        );
      })}
      <div>
        <Button onPress={clipping.reset}>{t("clip.reset")}</Button>
      </div>
    </section>
  );
}

function Side({ label, value, onChange }: { label: string; value: number; onChange: (value: number) => void }) {
  return <input type="range" aria-label={label} min={0} max={1} step={0.005} value={value} onChange={(event) => onChange(Number(event.target.value))} />;
}
