// OpenTofu for the tests of infrastructure, built by `make tools` in its own module.
module greenroom.dev/tests/opentofu

go 1.26.0

require github.com/opentofu/opentofu v1.12.6
