{{- define "auth-consistency.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{- define "auth-consistency.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else -}}
{{- $name := include "auth-consistency.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* What selects the pod. A Deployment's selector can never change, so this stays as it is. */ -}}
{{- define "auth-consistency.selectorLabels" -}}
app.kubernetes.io/name: {{ include "auth-consistency.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "auth-consistency.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "auth-consistency.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "auth-consistency.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "auth-consistency.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is required when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "auth-consistency.image" -}}
{{- $repository := required "image.repository is required: name the repository that you pushed the image to" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- /* Every right that the operator has. The same rules stand in the ClusterRole and in each Role. */ -}}
{{- define "auth-consistency.rules" -}}
# Its own resources: found and followed.
- apiGroups: [auth.probeops.com]
  resources: [authconsistencies]
  verbs: [get, list, watch]
# What it found is written by server-side apply to the status alone. The spec is never written.
- apiGroups: [auth.probeops.com]
  resources: [authconsistencies/status]
  verbs: [patch]
# The Secrets that a resource names, one by one. Never list or watch: RBAC cannot tell names from
# content, so either would be a right to read every Secret there is.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
# The ConfigMap in which a resource keeps whom old ids named (spec.references.identities), by its name.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
# What it did and what went wrong, for kubectl describe. An event is written once, never changed.
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- if .Values.probes.endpoints }}
# probes.endpoints: the pods behind a verifier's Service, each asked by itself.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list]
# Which of a Service's ports its URL means, where it has several. That one Service, by its name.
- apiGroups: [""]
  resources: [services]
  verbs: [get]
{{- end }}
{{- if .Values.workloads.read }}
# workloads.read: who takes a Secret that the app no longer agrees with, to name them. Never written.
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [list]
{{- end }}
{{- end -}}
