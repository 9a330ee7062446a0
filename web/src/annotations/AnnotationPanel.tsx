import { useMutation } from "@tanstack/react-query";
import { Label, TextArea, TextField as AriaTextField } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { Button, Form, ProblemNotice, TextField, uiStyles } from "../ui";
import panels from "../viewer/viewer.module.css";
import styles from "./annotations.module.css";
import { TEXT_LENGTH, TITLE_LENGTH, type Note } from "./notes";
import type { Annotating } from "./useAnnotating";

/** What is said of places of the model, and where more is said. */
export function AnnotationPanel({ annotating, pickable }: { annotating: Annotating; pickable: boolean }) {
  const { t } = useTranslation();
  const { notes, draft, placing, place, pickMiddle } = annotating;
  return (
    <section className={panels.panel} aria-label={t("annotations.title")}>
      {notes.error !== null && <ProblemNotice error={notes.error} />}
      {notes.items.length === 0 && !draft && !placing && <p className="quiet small">{t("annotations.none")}</p>}
      {draft === null && (
        <ol className={styles.list}>
          {notes.items.map((note, index) => (
            <Item key={note.id} note={note} number={index + 1} annotating={annotating} />
          ))}
        </ol>
      )}
      {placing && (
        <>
          <p className="small" role="status">
            {t("annotations.hint")}
          </p>
          <div className="row">
            <Button onPress={pickMiddle}>{t("measure.middle")}</Button>
            <Button onPress={() => place(false)}>{t("cancel")}</Button>
          </div>
        </>
      )}
      {draft && !placing && <DraftForm annotating={annotating} />}
      {notes.editing && !draft && !placing && (
        <div>
          <Button isDisabled={!pickable} onPress={() => place(true)}>
            {t("annotations.add")}
          </Button>
        </div>
      )}
    </section>
  );
}

function Item({ note, number, annotating }: { note: Note; number: number; annotating: Annotating }) {
  const { t } = useTranslation();
  const { chosen, choose, notes, setDraft } = annotating;
  const open = note.id === chosen;
  return (
    <li>
      <button type="button" className={styles.item} aria-expanded={open} onClick={() => choose(open ? null : note)}>
        <span className={styles.badge} aria-hidden="true">
          {number}
        </span>
        <bdi>{note.title}</bdi>
      </button>
      {open && (
        <div className={styles.open}>
          {note.text && (
            <p className={styles.text}>
              <bdi>{note.text}</bdi>
            </p>
          )}
          {notes.editing && (
            <div className="row">
              <Button onPress={() => setDraft(note)}>{t("annotations.edit")}</Button>
              <Button kind="danger" onPress={() => notes.editing?.remove(note)}>
                {t("job.delete")}
              </Button>
            </div>
          )}
        </div>
      )}
    </li>
  );
}

function DraftForm({ annotating }: { annotating: Annotating }) {
  const { t } = useTranslation();
  const { draft, setDraft, notes, place } = annotating;
  const save = useMutation({
    mutationFn: async () => draft && (await notes.editing?.save({ ...draft, title: draft.title.trim() })),
    onSuccess: () => setDraft(null),
  });
  if (!draft) return null;
  return (
    <Form className="stack" onSubmit={() => save.mutate()}>
      <TextField
        label={t("annotations.name")}
        value={draft.title}
        onChange={(title) => setDraft({ ...draft, title })}
        maxLength={TITLE_LENGTH}
        isRequired
        autoFocus
      />
      <AriaTextField className={uiStyles.field ?? ""} value={draft.text} onChange={(text) => setDraft({ ...draft, text })} maxLength={TEXT_LENGTH}>
        <Label>{t("annotations.text")}</Label>
        <TextArea className={uiStyles.input ?? ""} rows={4} />
      </AriaTextField>
      {save.error && <ProblemNotice error={save.error} />}
      <div className="row">
        <Button type="submit" kind="primary" isDisabled={save.isPending || draft.title.trim() === ""}>
          {t("annotations.save")}
        </Button>
        <Button onPress={() => place(true)}>{t("annotations.move")}</Button>
        <Button onPress={() => setDraft(null)}>{t("cancel")}</Button>
      </div>
    </Form>
  );
}
