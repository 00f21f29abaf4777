{{/* The chart's objects are those of deploy/base, which `base` links to. Each template changes what a value sets. */}}

{{- define "greenroom.labels" -}}
app.kubernetes.io/name: greenroom
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* One object of a file, as a YAML document. Input: root, object. */}}
{{- define "greenroom.object" -}}
{{- $object := .object -}}
{{- $clusterScoped := or (hasPrefix "ClusterRole" $object.kind) (hasPrefix "ValidatingAdmission" $object.kind) -}}
{{- if not $clusterScoped }}{{ $_ := set $object.metadata "namespace" .root.Release.Namespace }}{{ end -}}
{{- $labels := merge (default dict $object.metadata.labels) (include "greenroom.labels" .root | fromYaml) -}}
{{- $_ := set $object.metadata "labels" $labels -}}
{{- range $object.subjects }}{{ $_ := set . "namespace" $.root.Release.Namespace }}{{ end -}}
{{ toYaml $object }}
{{- end -}}

{{/* All objects of a file, unchanged. Input: root, file. */}}
{{- define "greenroom.file" -}}
{{- range $document := splitList "\n---\n" (.root.Files.Get (printf "base/%s" .file)) }}
---
{{ include "greenroom.object" (dict "root" $.root "object" (fromYaml $document)) }}
{{- end }}
{{- end -}}

{{- define "greenroom.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ end -}}
{{- end -}}
{{- end -}}
