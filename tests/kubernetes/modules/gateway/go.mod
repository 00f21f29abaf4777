// The Gateway API's custom resource definitions are read from this module; nothing of it is built.
module greenroom.dev/tests/gateway

go 1.26.0

require sigs.k8s.io/gateway-api v1.6.3
