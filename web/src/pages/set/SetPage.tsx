import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useNavigate, useParams } from "react-router";

import { api, take } from "../../api/client";
import { imageSet, keys } from "../../api/queries";
import { useFormat } from "../../i18n/format";
import { Confirm, Loading, Notice, ProblemNotice } from "../../ui";
import { useUploads } from "../../uploads/context";
import { DropArea } from "../../uploads/DropArea";
import { UploadList } from "../../uploads/UploadList";
import { JobList } from "../jobs/JobList";
import { JobForm } from "./JobForm";
import { PhotoList } from "./PhotoList";
import styles from "./set.module.css";

const FEWEST = 3;

export function SetPage() {
  const { setId = "" } = useParams();
  const { t } = useTranslation();
  const format = useFormat();
  const uploads = useUploads();
  const set = useQuery(imageSet(setId));
  const remove = useRemove(setId);
  if (set.isPending) return <Loading />;
  if (set.error) return <ProblemNotice error={set.error} onRetry={() => void set.refetch()} />;
  const { name, photo_count: count, bytes } = set.data;
  return (
    <>
      <div className="row spread">
        <div>
          <h1>
            <bdi>{name}</bdi>
          </h1>
          <p className="quiet small numbers">
            {t("sets.photos", { count })} · {format.bytes(bytes)}
          </p>
        </div>
        <Confirm
          trigger={t("sets.delete")}
          title={t("sets.deleteTitle", { name })}
          text={t("sets.deleteText")}
          confirm={t("sets.delete")}
          onConfirm={() => remove.mutate()}
        />
      </div>
      {remove.error && <ProblemNotice error={remove.error} />}
      <div className={styles.columns}>
        <div className="stack">
          <DropArea onFiles={(files) => uploads.add(setId, files)} />
          <UploadList setId={setId} />
          <PhotoList setId={setId} />
        </div>
        <div className="stack">
          {count < FEWEST ? <Notice tone="plain" title={t("set.tooFew")} /> : <JobForm setId={setId} setName={name} count={count} />}
          <section className="stack" aria-labelledby="models">
            <h2 id="models">{t("set.models")}</h2>
            <JobList imageSetId={setId} />
          </section>
        </div>
      </div>
    </>
  );
}

function useRemove(setId: string) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: () => take(api.DELETE("/v1/image-sets/{image_set_id}", { params: { path: { image_set_id: setId } } })),
    onSuccess() {
      void navigate("/sets");
      queries.removeQueries({ queryKey: keys.set(setId) });
      void queries.invalidateQueries({ queryKey: keys.sets, exact: true });
    },
  });
}
