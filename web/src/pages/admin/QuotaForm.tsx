import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Dialog, DialogTrigger, Heading, Modal, ModalOverlay } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { api, take, type Schemas } from "../../api/client";
import { Button, Form, ProblemNotice, TextField, uiStyles } from "../../ui";
import { adminKeys } from "./queries";

const GIGABYTE = 1e9;

/** A button that opens the quotas of a user. */
export function QuotaForm({ user }: { user: Schemas["UserOut"] }) {
  const { t } = useTranslation();
  return (
    <DialogTrigger>
      <Button>{t("admin.quotas")}</Button>
      <ModalOverlay className={uiStyles.overlay ?? ""} isDismissable>
        <Modal>
          <Dialog className={uiStyles.dialog ?? ""}>{({ close }) => <Fields user={user} close={close} />}</Dialog>
        </Modal>
      </ModalOverlay>
    </DialogTrigger>
  );
}

function Fields({ user, close }: { user: Schemas["UserOut"]; close: () => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [gigabytes, setGigabytes] = useState(String(user.quotas.bytes / GIGABYTE));
  const [photos, setPhotos] = useState(String(user.quotas.photos));
  const [jobs, setJobs] = useState(String(user.quotas.jobs));
  const save = useMutation({
    mutationFn: () => {
      const body = { quota_bytes: Math.round(numberOf(gigabytes) * GIGABYTE), quota_photos: numberOf(photos), quota_jobs: numberOf(jobs), keep_api_keys: false };
      return take(api.PATCH("/v1/users/{user_id}", { params: { path: { user_id: user.id } }, body }));
    },
    onSuccess() {
      close();
      void queries.invalidateQueries({ queryKey: adminKeys.users });
    },
  });
  return (
    <Form className="stack" onSubmit={() => save.mutate()}>
      <Heading slot="title" level={2}>
        {t("admin.quotasOf", { name: user.email })}
      </Heading>
      <TextField label={t("admin.gigabytes")} inputMode="decimal" value={gigabytes} onChange={setGigabytes} isRequired />
      <TextField label={t("admin.photosOfJob")} inputMode="numeric" value={photos} onChange={setPhotos} isRequired />
      <TextField label={t("admin.unfinished")} inputMode="numeric" value={jobs} onChange={setJobs} isRequired />
      {save.error && <ProblemNotice error={save.error} />}
      <div className="row">
        <Button type="submit" kind="primary" isDisabled={save.isPending}>
          {t("admin.save")}
        </Button>
        <Button onPress={close}>{t("cancel")}</Button>
      </div>
    </Form>
  );
}

const numberOf = (text: string): number => Number(text.replace(",", "."));
