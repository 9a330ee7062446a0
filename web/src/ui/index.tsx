import { useState, type ReactNode } from "react";
import {
  Button as AriaButton,
  FieldError,
  Form as AriaForm,
  Heading,
  Dialog,
  DialogTrigger,
  Input,
  Label,
  Modal,
  ModalOverlay,
  ProgressBar,
  TextField as AriaTextField,
  type ButtonProps,
  type FormProps,
  type TextFieldProps,
} from "react-aria-components";
import { useTranslation } from "react-i18next";

import { asProblem } from "../api/problem";
import styles from "./ui.module.css";

export type Tone = "good" | "doubt" | "bad" | "plain";
type Kind = "primary" | "danger" | "bare";

export const buttonClass = (kind?: Kind): string => [styles.button, kind && styles[kind]].filter(Boolean).join(" ");

export function Button({ kind, ...props }: Omit<ButtonProps, "className"> & { kind?: Kind }) {
  return <AriaButton {...props} className={buttonClass(kind)} />;
}

/** Fields that are sent by `onSubmit`, without loading another page. */
export function Form({ onSubmit, ...props }: Omit<FormProps, "onSubmit"> & { onSubmit: () => void }) {
  return (
    <AriaForm
      {...props}
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
      }}
    />
  );
}

/** Names and values beside each other. */
export function Facts({ facts }: { facts: [name: string, value: string][] }) {
  return (
    <dl className={`numbers ${styles.facts}`}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function TextField({ label, hint, ...props }: TextFieldProps & { label: string; hint?: string; placeholder?: string }) {
  const { placeholder, ...field } = props;
  return (
    <AriaTextField {...field} className={styles.field ?? ""}>
      <Label>{label}</Label>
      <Input className={styles.input ?? ""} placeholder={placeholder} />
      {hint && <span className="quiet small">{hint}</span>}
      <FieldError className="small" />
    </AriaTextField>
  );
}

export function Notice({ tone, title, children }: { tone: Tone; title?: string; children?: ReactNode }) {
  return (
    <div className={`${styles.notice} ${styles[tone]}`} role={tone === "bad" ? "alert" : undefined}>
      {title && <strong>{title}</strong>}
      {children}
    </div>
  );
}

/** An error in words, with what to do about it. */
export function ProblemNotice({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useTranslation();
  const problem = asProblem(error);
  const own: Record<string, [string, string]> = {
    offline: [t("problem.offline"), t("problem.offlineAction")],
    "no-service": [t("problem.noService"), ""],
    unexpected: [t("problem.unexpected"), problem.detail],
    "signed-out": [t("problem.signedOut"), ""],
    "wrong-credentials": [t("signIn.wrong"), ""],
    "sign-in-link-invalid": [t("signIn.linkUsed"), t("signIn.linkUsedAction")],
  };
  const [title, action] = own[problem.code] ?? [problem.detail, problem.action];
  return (
    <Notice tone="bad" title={title}>
      {action && <p>{action}</p>}
      {problem.fields.map((field) => (
        <p key={field.location}>
          {field.location}: {field.detail}
        </p>
      ))}
      {onRetry && (
        <div>
          <Button onPress={onRetry}>{t("problem.again")}</Button>
        </div>
      )}
    </Notice>
  );
}

/** Text that is shown this once, with a button that copies it. */
export function Secret({ label, text }: { label: string; text: string }) {
  const { t } = useTranslation();
  const [copied, setCopied] = useState(false);
  return (
    <Notice tone="good" title={label}>
      <code className={styles.secret}>{text}</code>
      <div>
        <Button onPress={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}>{copied ? t("share.copied") : t("share.copy")}</Button>
      </div>
    </Notice>
  );
}

export function Badge({ tone, children }: { tone: Tone; children: ReactNode }) {
  return <span className={`${styles.badge} ${styles[tone]}`}>{children}</span>;
}

export function Progress({ label, share, text }: { label: string; share: number; text?: string }) {
  return (
    <ProgressBar aria-label={label} value={Math.round(100 * share)} valueLabel={text}>
      <div className={styles.track}>
        <div className={styles.fill} style={{ width: `${100 * share}%` }} />
      </div>
    </ProgressBar>
  );
}

export function Empty({ children }: { children: ReactNode }) {
  return <div className={styles.empty}>{children}</div>;
}

export function Loading() {
  const { t } = useTranslation();
  return (
    <div className={styles.empty} role="status">
      {t("app.loading")}
    </div>
  );
}

interface ConfirmProps {
  trigger: string;
  title: string;
  text: string;
  confirm: string;
  onConfirm: () => void;
}

/** A button that asks before it does what cannot be taken back. */
export function Confirm({ trigger, title, text, confirm, onConfirm }: ConfirmProps) {
  const { t } = useTranslation();
  return (
    <DialogTrigger>
      <Button kind="danger">{trigger}</Button>
      <ModalOverlay className={styles.overlay ?? ""} isDismissable>
        <Modal>
          <Dialog role="alertdialog" className={styles.dialog ?? ""}>
            {({ close }) => (
              <>
                <Heading slot="title" level={2}>
                  {title}
                </Heading>
                <p>{text}</p>
                <div className="row">
                  <Button
                    kind="primary"
                    onPress={() => {
                      close();
                      onConfirm();
                    }}
                  >
                    {confirm}
                  </Button>
                  <Button onPress={close}>{t("job.keepIt")}</Button>
                </div>
              </>
            )}
          </Dialog>
        </Modal>
      </ModalOverlay>
    </DialogTrigger>
  );
}

export { styles as uiStyles };
