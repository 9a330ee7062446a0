import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, useNavigate, useParams } from "react-router";

import { api, take } from "../../api/client";
import { imageSet, keys } from "../../api/queries";
import { canPhotograph } from "../../app/online";
import { useFormat } from "../../i18n/format";
import { Button, Loading, Notice, ProblemNotice } from "../../ui";
import { useDeletions } from "../../undo/context";
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
  const remove = useRemove(setId, set.data?.name ?? setId);
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
        <Button kind="danger" onPress={remove}>
          {t("sets.delete")}
        </Button>
      </div>
      <div className={styles.columns}>
        <div className="stack">
          <DropArea onFiles={(files) => void uploads.add(setId, files)}>
            {canPhotograph() && <Link to={`/capture?set=${setId}`}>{t("capture.title")}</Link>}
          </DropArea>
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

/** Delete a set after a while, in which that can be taken back. */
function useRemove(setId: string, name: string): () => void {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [deletions] = useDeletions();
  return () => {
    deletions.add({
      id: setId,
      name,
      async commit({ keepalive }) {
        await take(api.DELETE("/v1/image-sets/{image_set_id}", { params: { path: { image_set_id: setId } }, keepalive }));
        queries.removeQueries({ queryKey: keys.set(setId) });
        await queries.invalidateQueries({ queryKey: keys.sets, exact: true });
      },
    });
    void navigate("/sets");
  };
}
