import { useTranslation } from "react-i18next";

import { SCALE } from "./confidence";
import styles from "./viewer.module.css";

/** Which colour means what. */
export function ConfidenceLegend() {
  const { t } = useTranslation();
  const stops = SCALE.map((color) => `rgb(${color.join(" ")})`).join(", ");
  return (
    <p className={`small ${styles.legend}`}>
      {t("viewer.uncertain")}
      <span className={styles.scale} style={{ background: `linear-gradient(to right, ${stops})` }} />
      {t("viewer.certain")}
    </p>
  );
}
