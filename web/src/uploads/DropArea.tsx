import { useState, type ReactNode } from "react";
import { DropZone, FileTrigger } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { Button, Notice } from "../ui";
import styles from "./uploads.module.css";
import { ACCEPTED, chosen, filesOf } from "./files";

interface DropAreaProps {
  onFiles: (files: File[]) => void;
  children?: ReactNode;
}

/** Takes photographs, folders and archives: dropped, pasted or chosen. */
export function DropArea({ onFiles, children }: DropAreaProps) {
  const { t } = useTranslation();
  const [ignored, setIgnored] = useState(0);
  const take = (files: Iterable<File> | null) => {
    const found = chosen(files ?? []);
    setIgnored(found.ignored);
    if (found.files.length > 0) onFiles(found.files);
  };
  return (
    <div className="stack">
      <DropZone
        className={styles.drop ?? ""}
        aria-label={t("sets.drop")}
        onDrop={(event) => void filesOf(event.items).then(take)}
      >
        <p className={styles.dropTitle}>{t("sets.drop")}</p>
        {children}
        <div className="row">
          <FileTrigger allowsMultiple acceptedFileTypes={ACCEPTED} onSelect={(files) => take(files)}>
            <Button kind="primary">{t("sets.choose")}</Button>
          </FileTrigger>
          <FileTrigger acceptDirectory onSelect={(files) => take(files)}>
            <Button>{t("sets.folder")}</Button>
          </FileTrigger>
        </div>
      </DropZone>
      {ignored > 0 && <Notice tone="doubt" title={t("sets.ignored", { count: ignored })} />}
    </div>
  );
}
