import { useState } from "react";
import { useTranslation } from "react-i18next";

import { choose, LANGUAGES, type Language } from "../i18n";
import styles from "./layout.module.css";
import { chooseTheme, theme, THEMES, type Theme } from "./theme";

/** Language and appearance: plain selects, which every device knows how to show. */
export function Preferences() {
  const { t, i18n } = useTranslation();
  const [shown, setShown] = useState(theme);
  return (
    <>
      <select
        className={styles.select}
        aria-label={t("app.language")}
        value={i18n.language}
        onChange={(event) => void choose(event.target.value as Language)}
      >
        {Object.entries(LANGUAGES).map(([code, name]) => (
          <option key={code} value={code} lang={code}>
            {name}
          </option>
        ))}
      </select>
      <select
        className={styles.select}
        aria-label={t("app.theme")}
        value={shown}
        onChange={(event) => {
          chooseTheme(event.target.value as Theme);
          setShown(theme());
        }}
      >
        {THEMES.map((each) => (
          <option key={each} value={each}>
            {t(`app.${each}`)}
          </option>
        ))}
      </select>
    </>
  );
}
