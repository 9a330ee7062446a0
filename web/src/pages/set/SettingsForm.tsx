import { Button, Disclosure, DisclosurePanel, Heading } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { TextField } from "../../ui";
import { presetValue, type Quality, STAGES } from "./settings";
import styles from "./set.module.css";
import { stageName } from "../stages";

interface SettingsFormProps {
  quality: Quality;
  values: Record<string, string>;
  onChange: (values: Record<string, string>) => void;
}

/** Every setting of every stage, folded away; what is empty stays as the quality has it. */
export function SettingsForm({ quality, values, onChange }: SettingsFormProps) {
  const { t } = useTranslation();
  const changed = Object.values(values).filter((value) => value.trim() !== "").length;
  return (
    <Disclosure>
      <Heading level={3}>
        <Button slot="trigger" className={styles.fold ?? ""}>
          {t("form.settings")}
          {changed > 0 && ` (${t("form.changed", { count: changed })})`}
        </Button>
      </Heading>
      <DisclosurePanel>
        <p className="quiet small">{t("form.settingsText")}</p>
        {STAGES.map(([stage, settings]) => (
          <Disclosure key={stage} className={styles.stage ?? ""}>
            <Heading level={4}>
              <Button slot="trigger" className={styles.fold ?? ""}>
                {stageName(t, stage)}
              </Button>
            </Heading>
            <DisclosurePanel>
              <div className={styles.settings}>
                {settings.map(({ name, meaning, allowed }) => (
                  <TextField
                    key={name}
                    label={name}
                    hint={[meaning, allowed && t("form.allowed", { allowed })].filter(Boolean).join(" ")}
                    placeholder={presetValue(quality, name)}
                    value={values[name] ?? ""}
                    onChange={(value) => onChange({ ...values, [name]: value })}
                  />
                ))}
              </div>
            </DisclosurePanel>
          </Disclosure>
        ))}
      </DisclosurePanel>
    </Disclosure>
  );
}
